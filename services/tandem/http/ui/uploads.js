// Sends files, two at a time, and shows how far each one is and what became of it.
import { documentPath, upload, withKey } from "./api.js";
import { button, bytes, el, icon, iconButton, plural } from "./dom.js";
import { currentCollection } from "./collections.js";

const SIDE_BY_SIDE = 2;
const PATIENCE = 5;  // times to wait and try again when the server is busy

export class Uploads {
  #list;
  #landed;
  #waiting = [];
  #running = 0;

  // `landed(outcome)` is called for every document that was taken in.
  constructor(list, landed) {
    this.#list = list;
    this.#landed = landed;
  }

  // `files` are {id, file}.
  add(files) {
    const items = files.map(({ id, file }) => new Item(id, file, (item) => this.#enqueue([item])));
    this.#list.prepend(...items.map((item) => item.element));
    this.#enqueue(items);
  }

  get busy() { return this.#running > 0 || this.#waiting.length > 0; }

  clearDone() { for (const row of [...this.#list.children]) if (row.dataset.state !== "open") row.remove(); }

  #enqueue(items) {
    this.#waiting.push(...items);
    while (this.#running < SIDE_BY_SIDE && this.#waiting.length) this.#run(this.#waiting.shift());
  }

  async #run(item) {
    this.#running += 1;
    const outcome = await item.send();
    this.#running -= 1;
    if (outcome) this.#landed(outcome);
    this.#enqueue([]);
  }
}

class Item {
  #control = new AbortController();

  constructor(id, file, again) {
    this.id = id;
    this.file = file;
    this.again = again;
    this.bar = el("progress", { max: "1", "aria-label": `Upload of ${id}` });
    this.bar.value = 0;
    this.state = el("p.upload-state", { role: "status" }, "Waiting");
    this.cancel = iconButton("close", `Cancel the upload of ${id}`, () => this.#leave());
    this.element = el("li.upload", { dataset: { state: "open" } },
      el("p.upload-name", {}, id, el("span.fine", {}, ` ${bytes(file.size)}`)), this.state, this.cancel, this.bar);
  }

  async send() {
    if (this.#control.signal.aborted) return null;
    try {
      const outcome = await withKey(() => this.#patiently());
      this.#finish(outcome.status, `${outcome.status} · ${plural(outcome.chunks, "chunk")}`);
      return outcome;
    } catch (fault) {
      if (this.#control.signal.aborted) this.#finish("cancelled", "cancelled");
      else this.#fail(fault);
      return null;
    }
  }

  async #patiently() {
    for (let left = PATIENCE; ; left -= 1) {
      try {
        return await this.#put();
      } catch (fault) {
        const busy = (fault.status === 429 || fault.status === 503) && fault.retryAfter !== null;
        if (!busy || left === 0 || this.#control.signal.aborted) throw fault;
        await this.#wait(Math.max(1, fault.retryAfter));
      }
    }
  }

  async #wait(seconds) {
    for (let left = seconds; left > 0 && !this.#control.signal.aborted; left -= 1) {
      this.state.textContent = `The server is busy; next try in ${left} s`;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  #put() {
    const path = documentPath(this.id, { collection: currentCollection(), modified_at: this.file.lastModified / 1000 });
    // Browsers guess types oddly (.ts is a video to them); the name's extension says more where there is one.
    const type = /\.\w+$/.test(this.id) ? "application/octet-stream" : this.file.type || "application/octet-stream";
    return upload("PUT", path, this.file, { headers: { "content-type": type }, signal: this.#control.signal, sent: (part) => this.#show(part) });
  }

  #show(part) {
    if (part < 1) {
      this.bar.value = part;
      this.state.textContent = `Sending, ${Math.floor(part * 100)} %`;
    } else {
      this.bar.removeAttribute("value");  // how long reading takes cannot be known
      this.state.textContent = "Reading and indexing";
    }
  }

  #leave() {
    this.#control.abort();
    this.#finish("cancelled", "cancelled");
  }

  #finish(state, text) {
    this.element.dataset.state = state;
    this.bar.value = 1;
    this.bar.hidden = true;
    this.state.textContent = text;
    this.cancel.remove();
  }

  #fail(fault) {
    this.#finish("failed", `failed: ${fault.message}`);
    const retry = button(".link", "", () => this.#retry(), {}, icon("retry"), "Try again");
    if (fault.advice) this.state.append(el("span.fine", {}, ` ${fault.advice}`));
    this.state.append(" ", retry);
  }

  #retry() {
    const fresh = new Item(this.id, this.file, this.again);
    this.element.replaceWith(fresh.element);
    this.again(fresh);
  }
}
