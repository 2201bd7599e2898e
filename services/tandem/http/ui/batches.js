// Files of questions: uploaded, watched, called off, and what came of them taken home.
import { $, button, bytes, el, icon } from "./dom.js";
import { announce } from "./announcer.js";
import * as api from "./api.js";
import { faultNotice } from "./notice.js";
import { instant, stateOf } from "./states.js";

const PAGE = 20;
const SHOWN_ERRORS = 5;
const OVER = new Set(["completed", "failed", "expired", "cancelled"]);
const cards = new Map();
let load = 0;

export function setUpBatches() {
  const picker = $("#batch-file");
  picker.addEventListener("change", () => { send(picker.files[0]); picker.value = ""; });
  $("#batch-choose").addEventListener("click", () => picker.click());
}

export function hideBatches() {
  load += 1;
  $("#batches").hidden = true;
}

// Draws the list; true while some batch goes on. A server without batches shows nothing of them.
export async function lookAtBatches() {
  const mine = ++load;
  try {
    const page = await api.batches(null, PAGE);
    if (mine !== load) return false;
    $("#batches").hidden = false;
    draw(page);
    return page.data.some((batch) => !OVER.has(batch.status));
  } catch (fault) {
    if (mine !== load) return false;
    $("#batches").hidden = fault.status === 404 || fault.code === "not_served";
    cards.clear();
    $("#batch-list").replaceChildren(faultNotice(fault, { retry: lookAtBatches }));
    return false;
  }
}

function draw(page) {
  const box = $("#batch-list");
  if (!$("ul", box)) {
    cards.clear();
    box.replaceChildren(el("ul.batches", { "aria-label": "Batches" }), moreButton(page));
  }
  const list = $("ul", box);
  for (const batch of [...page.data].reverse()) {
    if (cards.has(batch.id)) cards.get(batch.id).show(batch);
    else list.prepend(added(batch));
  }
  $("#no-batches").hidden = list.childElementCount > 0;
}

function added(batch) {
  const card = new Card(batch);
  cards.set(batch.id, card);
  return card.element;
}

function moreButton(page) {
  const more = button(".outline.more", "Show more", () => nextPage(page.last_id, more), { hidden: !page.has_more });
  return more;
}

async function nextPage(after, more) {
  more.disabled = true;
  try {
    const page = await api.batches(after, PAGE);
    if (!more.isConnected) return;
    $("ul", $("#batch-list")).append(...page.data.filter((batch) => !cards.has(batch.id)).map(added));
    more.replaceWith(moreButton(page));
  } catch (fault) {
    const notice = faultNotice(fault, { retry: () => { notice.remove(); nextPage(after, more); } });
    more.before(notice);
    more.disabled = false;
  }
}

// Uploads a file, then makes a batch of it.
async function send(file) {
  if (!file) return;
  const bar = el("progress", { max: "1", "aria-label": `Upload of ${file.name}` });
  const state = el("p.fine", { role: "status" }, "Sending");
  const leaving = new AbortController();
  const box = $("#batch-upload");
  box.replaceChildren(el("p", {}, file.name, el("span.fine", {}, ` ${bytes(file.size)}`)), bar, state,
    el("p.actions", {}, button(".outline", "Cancel the upload", () => leaving.abort())));
  $("#batch-choose").disabled = true;
  try {
    const kept = await api.uploadForBatch(file, leaving.signal, (part) => {
      bar.value = part;
      state.textContent = part < 1 ? `Sending, ${Math.floor(part * 100)} %` : "The server takes it in";
    });
    const batch = await api.createBatch(kept.id, file.name);
    announce(`Batch ${batch.id} is under way.`);
    box.replaceChildren();
    $("#batches").dispatchEvent(new CustomEvent("moved", { bubbles: true }));
  } catch (fault) {
    if (leaving.signal.aborted) box.replaceChildren();
    else box.replaceChildren(faultNotice(fault, { retry: () => send(file) }));
  } finally {
    $("#batch-choose").disabled = false;
    $("#batch-choose").focus();
  }
}

class Card {
  #state = el("span.state");
  #bar = el("progress", { max: "1" });
  #counts = el("span.fine");
  #actions = el("p.actions");
  #more = el("div");
  #offered = "";

  constructor(batch) {
    this.#bar.setAttribute("aria-label", `Progress of ${batch.id}`);
    this.element = el("li.batch", {},
      el("p.batch-name", {}, batch.metadata?.filename ?? batch.id, " ", this.#state),
      el("p.fine", {}, batch.metadata?.filename && `${batch.id} · `, "created ", instant(batch.created_at), ", within ", batch.completion_window),
      el("div.batch-progress", {}, this.#bar, this.#counts), this.#actions, this.#more);
    this.show(batch);
  }

  show(batch) {
    const { word, kind } = stateOf(batch);
    const { total, completed, failed } = batch.request_counts ?? { total: 0, completed: 0, failed: 0 };
    this.#state.dataset.state = kind;
    this.#state.textContent = word;
    this.#bar.hidden = OVER.has(batch.status);
    if (total) this.#bar.value = (completed + failed) / total;
    else this.#bar.removeAttribute("value");
    this.#counts.textContent = total ? `${completed.toLocaleString()} of ${total.toLocaleString()} answered${failed ? `, ${failed.toLocaleString()} failed` : ""}` : "";
    const offered = [batch.output_file_id, batch.error_file_id, batch.status].join();
    if (offered === this.#offered) return;
    this.#offered = offered;
    this.#actions.replaceChildren(...this.#offers(batch).filter(Boolean));
    this.#more.replaceChildren(...(batch.errors?.data?.length ? [faults(batch.errors.data)] : []));
  }

  #offers(batch) {
    const name = batch.metadata?.filename ?? batch.id;
    return [
      batch.output_file_id && this.#download("Output", batch.output_file_id, `Download the output of ${name}`),
      batch.error_file_id && this.#download("Errors", batch.error_file_id, `Download the errors of ${name}`),
      !OVER.has(batch.status) && batch.status !== "cancelling" && this.#cancelButton(batch.id, name),
    ];
  }

  #download(label, fileId, title) {
    const control = button(".outline", "", () => this.#doing(control, () => api.download(fileId, `${fileId}.jsonl`)), { "aria-label": title }, icon("download"), label);
    return control;
  }

  #cancelButton(id, name) {
    const control = button(".outline", "", () => this.#doing(control, async () => {
      this.show(await api.cancelBatch(id));
      announce(`${name} is being cancelled.`);
      this.element.dispatchEvent(new CustomEvent("moved", { bubbles: true }));
    }), { "aria-label": `Cancel ${name}` }, icon("stop"), "Cancel");
    return control;
  }

  async #doing(control, work) {
    control.disabled = true;
    this.#more.replaceChildren();
    try {
      await work();
    } catch (fault) {
      this.#more.replaceChildren(faultNotice(fault));
    }
    control.disabled = false;
  }
}

function faults(found) {
  const left = found.length - SHOWN_ERRORS;
  return el("ul.batch-faults", {}, found.slice(0, SHOWN_ERRORS).map(({ line, message }) =>
    el("li", {}, Number.isInteger(line) ? `Line ${line}: ` : "", message)), left > 0 && el("li", {}, `… and ${left} more`));
}
