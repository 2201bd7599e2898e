// Tells screen readers what happens, a sentence at a time instead of token by token.
import { $, el } from "./dom.js";

const PAUSE_MS = 1500;
let waiting = [];
let timer = 0;

export function announce(text) {
  waiting.push(text);
  if (!timer) timer = setTimeout(speak, waiting.length > 1 ? PAUSE_MS : 50);
}

function speak() {
  const log = $("#announcements");
  log.append(el("p", {}, waiting.join(" ")));
  while (log.childNodes.length > 6) log.firstChild.remove();
  waiting = [];
  timer = setTimeout(() => { timer = 0; if (waiting.length) speak(); }, PAUSE_MS);
}

// Feeds whole sentences of a growing text to `announce`.
export class SentenceReader {
  #said = 0;

  grow(text) {
    const end = text.lastIndexOf(". ") + 1 || text.lastIndexOf("\n") + 1;
    if (end > this.#said) {
      announce(text.slice(this.#said, end));
      this.#said = end;
    }
  }

  finish(text) { if (text.length > this.#said) announce(text.slice(this.#said)); }
}
