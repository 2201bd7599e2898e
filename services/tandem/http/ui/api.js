// Calls to the server this page came from. Every failure becomes one ApiError that says what to do.
import * as store from "./store.js";
import { faultFrom, offline } from "./faults.js";

let askForKey = async () => null;

// The page sets how a key is asked for: (message) → the key, or null when the person declined.
export function onKeyNeeded(ask) { askForKey = ask; }

export function authorization() {
  const key = store.key.get();
  return key ? { authorization: `Bearer ${key}` } : {};
}

// Repeats `attempt` with a new key for as long as one is refused and another is given.
export async function withKey(attempt) {
  for (;;) {
    const used = store.key.get();
    try {
      return await attempt();
    } catch (fault) {
      if (fault.status !== 401) throw fault;
      if (store.key.get() !== used) continue;  // another call was given a new one meanwhile
      if ((await askForKey(used ? fault.message : null)) === null) throw fault;
    }
  }
}

export function request(path, { method = "GET", body, signal } = {}) {
  return withKey(async () => {
    const headers = authorization();
    if (body !== undefined) headers["content-type"] = "application/json";
    let reply;
    try {
      reply = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw offline();
    }
    if (!reply.ok) throw faultFrom(reply.status, await reply.text(), reply.headers.get("retry-after"));
    return reply;
  });
}

const json = async (path, options) => (await request(path, options)).json();

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// Ids are paths; their slashes stay.
export const documentPath = (id, values = {}) =>
  `/v1/documents/${id.split("/").map(encodeURIComponent).join("/")}${query(values)}`;

export const models = async () => (await json("/v1/models")).data;
export const collections = async () => (await json("/v1/collections")).data;
export const documents = (collection, after, limit) => json(`/v1/documents${query({ collection, after, limit })}`);
export const receiptOf = (id) => json(`/v1/receipts/${encodeURIComponent(id)}`);
export const giveFeedback = (said) => json("/v1/feedback", { method: "POST", body: said });
export const documentOf = (id, collection) => json(documentPath(id, { collection }));
export const removeDocument = (id, collection) => json(documentPath(id, { collection }), { method: "DELETE" });
