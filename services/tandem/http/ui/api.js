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

export function request(path, { method = "GET", body, signal, headers: more } = {}) {
  return withKey(async () => {
    const headers = { ...authorization(), ...more };
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

// With XMLHttpRequest, since fetch tells nothing of how much was sent: `sent(part)` hears it, from 0 to 1.
export function upload(method, path, body, { headers = {}, signal, sent }) {
  const call = new XMLHttpRequest();
  call.open(method, path);
  for (const [name, value] of Object.entries({ ...authorization(), ...headers })) call.setRequestHeader(name, value);
  const leave = () => call.abort();
  signal.addEventListener("abort", leave);
  return new Promise((resolve, reject) => {
    call.upload.onprogress = (event) => { if (event.lengthComputable) sent(event.loaded / event.total); };
    call.upload.onload = () => sent(1);
    call.onload = () => (call.status < 300 ? resolve(JSON.parse(call.responseText)) : reject(faultFrom(call.status, call.responseText, call.getResponseHeader("retry-after"))));
    call.onerror = call.onabort = () => reject(offline());
    call.onloadend = () => signal.removeEventListener("abort", leave);
    call.send(body);
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

const jobPath = (id) => `/v1/jobs/${encodeURIComponent(id)}`;

export const jobs = (status, after, limit) => json(`/v1/jobs${query({ status, after, limit })}`);
export const jobOf = (id) => json(jobPath(id));
export const submitJob = (body) => json("/v1/jobs", { method: "POST", body });
export const cancelJob = (id) => json(jobPath(id), { method: "DELETE" });
export const jobEvents = (id, last, signal) => request(`${jobPath(id)}/events`, { headers: { "last-event-id": String(last) }, signal });

export const batches = (after, limit) => json(`/v1/batches${query({ after, limit })}`);
export const cancelBatch = (id) => json(`/v1/batches/${encodeURIComponent(id)}/cancel`, { method: "POST" });
export const createBatch = (input_file_id, filename) => json("/v1/batches", { method: "POST",
  body: { input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { filename: filename.slice(0, 512) } } });

export function uploadForBatch(file, signal, sent) {
  const form = new FormData();
  form.append("purpose", "batch");
  form.append("file", file);
  return withKey(() => upload("POST", "/v1/files", form, { signal, sent }));
}

// A link of its own could not carry the key.
export async function download(fileId, name) {
  const blob = await (await request(`/v1/files/${encodeURIComponent(fileId)}/content`)).blob();
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
