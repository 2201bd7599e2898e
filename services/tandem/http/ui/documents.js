// The documents view: what is there, adding, looking into, and deleting.
import { $, button, el, heads, icon, iconButton } from "./dom.js";
import { announce } from "./announcer.js";
import * as api from "./api.js";
import { corpusLine, currentCollection, currentInfo, loadCollections, onCollections } from "./collections.js";
import { chosenFiles, droppedFiles } from "./dropped_files.js";
import { faultNotice } from "./notice.js";
import { openDocument } from "./panel.js";
import { Uploads } from "./uploads.js";

const PAGE = 50;
const KINDS = {
  "text/markdown": "Markdown", "text/html": "HTML", "application/pdf": "PDF", "text/plain": "Text",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
};
let load = 0;
let uploads;
let refresh = 0;

export function setUpDocuments() {
  uploads = new Uploads($("#uploads"), (outcome) => {
    announce(`${outcome.id} ${outcome.status}.`);
    clearTimeout(refresh);
    refresh = setTimeout(reload, uploads.busy ? 1500 : 100);
  });
  const picker = $("#files");
  picker.addEventListener("change", () => { send(chosenFiles(picker.files)); picker.value = ""; });
  $("#choose").addEventListener("click", () => picker.click());
  setUpDrop();
  onCollections(() => { if (location.hash === "#documents") showDocuments(); });
}

function send(files) {
  if (!files.length) return;
  location.hash = "#documents";
  uploads.clearDone();
  uploads.add(files);
}

// Dropping works anywhere on the page.
function setUpDrop() {
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => { if (carriesFiles(event)) { event.preventDefault(); mark(1); } });
  addEventListener("dragleave", (event) => { if (carriesFiles(event)) mark(-1); });
  addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    send(await droppedFiles(event.dataTransfer));
  });
}

async function reload() {
  try { await loadCollections(); } catch { /* the list below says what is wrong */ }
}

export async function showDocuments() {
  const mine = ++load;
  const box = $("#document-list");
  box.setAttribute("aria-busy", "true");
  try {
    const page = await firstPage();
    if (mine !== load) return;
    box.replaceChildren(...(page.data.length ? listing(page) : [empty()]));
    count(page);
  } catch (fault) {
    if (mine !== load) return;
    box.replaceChildren(faultNotice(fault, { retry: showDocuments }));
    $("#document-count").textContent = "";
  } finally {
    if (mine === load) box.removeAttribute("aria-busy");
  }
}

async function firstPage() {
  try {
    return await api.documents(currentCollection(), null, PAGE);
  } catch (fault) {
    // The default collection comes into being with its first document.
    if (fault.code === "collection_not_found" && !currentCollection()) return { data: [], has_more: false };
    throw fault;
  }
}

function count(page) {
  const info = currentInfo();
  $("#document-count").textContent = info && page.data.length ? `${corpusLine(info)} · embedded with ${info.recipe.embedder}` : "";
}

const empty = () => el("div.empty", {}, icon("file"), el("p", {}, "No documents yet."),
  el("p.fine", {}, "Choose files above, drop them anywhere on this page, or run ", el("code", {}, "tandem ingest PATH"), "."));

function listing(page) {
  const body = el("tbody", {}, page.data.map(row));
  const more = button(".outline.more", "Show more", () => nextPage(page.next_after, body, more), { hidden: !page.has_more });
  return [el("table.documents", {}, el("caption.hidden", {}, "Documents"),
    heads("Document", "Kind", "Chunks", "Added", el("span.hidden", {}, "Actions")), body), more];
}

async function nextPage(after, body, more) {
  more.disabled = true;
  try {
    const page = await api.documents(currentCollection(), after, PAGE);
    const rows = page.data.map(row);
    body.append(...rows);
    const next = button(".outline.more", "Show more", () => nextPage(page.next_after, body, next), { hidden: !page.has_more });
    more.replaceWith(next);
    $("button", rows[0])?.focus();
  } catch (fault) {
    const notice = faultNotice(fault, { retry: () => { notice.remove(); nextPage(after, body, more); } });
    more.before(notice);
    more.disabled = false;
  }
}

function row(record) {
  const kind = KINDS[record.media_type] ?? record.media_type.replace(/^(text|application)\/(x-)?/, "");
  const added = new Date(record.ingested_at * 1000);
  const name = button(".document-name", "", () => openDocument(record, name), { "aria-haspopup": "dialog" },
    el("span", {}, record.title), record.title !== record.id && el("span.fine", {}, record.id));
  const line = el("tr", {}, el("td", {}, name), el("td", {}, kind), el("td.number", {}, record.chunks.toLocaleString()),
    el("td", {}, el("time", { datetime: added.toISOString(), title: added.toLocaleString() }, added.toLocaleDateString(undefined, { dateStyle: "medium" }))),
    el("td.row-actions", {}, iconButton("trash", `Delete ${record.title}`, () => confirmDelete(record, line))));
  return line;
}

function confirmDelete(record, line) {
  const dialog = $("#delete-dialog");
  $("#delete-name").textContent = record.title === record.id ? record.id : `${record.title} (${record.id})`;
  $("#delete-fault").replaceChildren();
  const yes = $("#delete-yes");
  yes.disabled = false;
  yes.onclick = async () => {
    yes.disabled = true;
    try {
      await api.removeDocument(record.id, currentCollection());
    } catch (fault) {
      if (fault.code !== "document_not_found") {
        $("#delete-fault").replaceChildren(faultNotice(fault));
        yes.disabled = false;
        return;
      }
    }
    const next = line.nextElementSibling ?? line.previousElementSibling;
    dialog.close();
    line.remove();
    announce(`${record.title} deleted.`);
    (next ? $(".document-name", next) : $("#choose")).focus();
    reload();
  };
  dialog.showModal();
  $("#delete-no").focus();
}

export function setUpDeleteDialog() { $("#delete-no").addEventListener("click", () => $("#delete-dialog").close()); }
