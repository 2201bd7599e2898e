// Which collection is asked and listed. None chosen means the server's default.
import { $, el, plural } from "./dom.js";
import * as api from "./api.js";
import * as store from "./store.js";

let known = [];
const listeners = new Set();

export const currentCollection = () => store.collection.get();
export const onCollections = (listener) => listeners.add(listener);

// The one that is asked now; with several and none chosen, only the server knows.
export const currentInfo = () =>
  known.find((info) => info.name === currentCollection()) ?? (known.length === 1 && !currentCollection() ? known[0] : null);

export const isEmptyServer = () => known.every((info) => info.documents === 0);

export const corpusLine = (info) => `${plural(info.documents, "document")} · ${plural(info.chunks, "chunk")} · in “${info.name}”`;

export async function loadCollections() {
  known = await api.collections();
  if (currentCollection() && !known.some((info) => info.name === currentCollection())) store.collection.set(null);
  draw();
  for (const listener of listeners) listener();
}

function draw() {
  const picker = $("#collection");
  picker.closest("label").hidden = known.length < 2;
  const options = [el("option", { value: "" }, "Default collection"), ...known.map((info) => el("option", { value: info.name }, info.name))];
  picker.replaceChildren(...options);
  picker.value = currentCollection() ?? "";
}

export function setUpCollections() {
  $("#collection").addEventListener("change", (event) => {
    store.collection.set(event.target.value || null);
    for (const listener of listeners) listener();
  });
}
