// Asks for the API key when the server wants one; it stays in this tab only.
import { $, el } from "./dom.js";
import * as store from "./store.js";

let asking = null;

// The key, or null when the person declined. Several calls that wait share one question.
export function askForKey(refusal) {
  asking ??= ask(refusal).finally(() => { asking = null; });
  return asking;
}

function ask(refusal) {
  const dialog = $("#key-dialog");
  const field = $("#key");
  $("#key-refusal").replaceChildren(refusal ? el("span", {}, refusal) : "");
  field.value = "";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "use" ? field.value.trim() : "";
      field.value = "";
      if (given) store.key.set(given);
      resolve(given || null);
    }, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
    field.focus();
  });
}

export function setUpKey() {
  $("#key-cancel").addEventListener("click", () => $("#key-dialog").close(""));
}
