// The side panel (a sheet on phones) that shows a passage, or the document around it.
import { $, button, el, iconButton, place, plural } from "./dom.js";
import { documentOf } from "./api.js";
import { faultNotice } from "./notice.js";
import { sourceText } from "./text.js";
import { scoreList } from "./scores.js";
import { currentCollection } from "./collections.js";

const AROUND = 8;  // chunks shown on each side, and added at a time
const phone = matchMedia("(max-width: 60rem)");
let opener = null;
let shown = 0;

const dialog = () => $("#panel");

export function closePanel() { if (dialog().open) dialog().close(); }

export function setUpPanel() {
  dialog().addEventListener("close", () => {
    document.body.classList.remove("panel-open");
    shown += 1;
    opener?.focus();
    opener?.removeAttribute("aria-expanded");
    opener = null;
  });
  dialog().addEventListener("click", (event) => { if (event.target === dialog()) closePanel(); });
  dialog().addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    closePanel();
  });
}

export function showPanel(from, title, ...content) {
  shown += 1;
  if (from) {
    opener?.removeAttribute("aria-expanded");
    opener = from;
    opener.setAttribute("aria-expanded", "true");
  }
  dialog().replaceChildren(
    el("header.panel-head", {}, title, iconButton("close", "Close", closePanel)),
    el("div.panel-body", { tabindex: "0" }, ...content));
  if (!dialog().open) {
    if (phone.matches) dialog().showModal();
    else dialog().show();
    document.body.classList.add("panel-open");
  }
  $(".panel-head .icon-button", dialog()).focus({ preventScroll: true });
  return $(".panel-body", dialog());
}

// False once something else is shown, or nothing.
export const isShown = (body) => body.isConnected && dialog().open;

// `span` is what supports the answer: {number, start, end} within the passage's text.
export function openPassage(passage, span, from) {
  const ranges = span ? [[span.start, span.end, "mark"]] : [];
  const body = showPanel(from, heading(span?.number, "Passage", passage),
    el("div.passage-text.source", {}, sourceText(passage.text, ranges)),
    el("p.actions", {}, button(".outline", "Show in the document", () => openAround(passage, span))),
    el("h3.small-caps", {}, "Scores"),
    scoreList(passage.scores ?? {}),
    el("p.fine", {}, `Chunk ${passage.id ?? passage.chunk_id}`));
  $("mark", body)?.scrollIntoView({ block: "center" });
}

function heading(number, kind, passage) {
  const [title, ...path] = place(passage);
  return el("div", {},
    el("p.small-caps", {}, number ? `Source ${number}` : kind),
    el("h2", { id: "panel-title" }, title),
    path.length > 0 && el("p.path", {}, path.join(" › ")),
    el("p.fine", {}, [passage.source ?? passage.document_id, passage.page && `page ${passage.page}`].filter(Boolean).join(" · ")));
}

async function openAround(passage, span) {
  const back = button(".link", "← Back to the passage", () => openPassage(passage, span));
  await openText({ id: passage.document_id, head: heading(span?.number, "Document", passage), lead: back, passage, span });
}

export const openDocument = (record, from) =>
  openText({ id: record.id, head: heading(null, "Document", { ...record, title_path: [], document_id: record.id }), from });

async function openText({ id, head, lead = null, passage = null, span = null, from = null }) {
  const body = showPanel(from, head, lead, el("p.fine.loading", {}, "Loading the document…"));
  const mine = shown;
  let found;
  try {
    found = await documentOf(id, currentCollection());
  } catch (fault) {
    const again = () => openText({ id, head, lead, passage, span, from });
    if (mine === shown) $(".loading", body).replaceWith(faultNotice(fault, { retry: again }));
    return;
  }
  if (mine !== shown) return;
  $(".loading", body).replaceWith(...documentText(found, passage, span));
  (($("mark", body) ?? $(".cited", body)))?.scrollIntoView({ block: "center" });
}

function documentText(found, passage, span) {
  const chunks = [...found.content].sort((a, b) => a.ordinal - b.ordinal);
  if (!chunks.length) return [el("p.fine", {}, "The document holds no text.")];
  const wanted = passage ? (passage.chunk_id ?? passage.id) : null;
  const at = Math.max(0, chunks.findIndex((chunk) => chunk.id === wanted));
  const cited = wanted === null ? null : chunks[at];
  const ranges = [];
  if (cited) ranges.push([cited.start, cited.end, "span.cited"]);
  if (cited && span) ranges.push([cited.start + span.start, cited.start + span.end, "mark"]);
  const text = el("div.source.document-text");
  const facts = el("p.fine", {}, `${plural(found.chunks, "chunk")}, ${plural(found.characters, "character")}`);
  const above = button(".link", "Show what comes before", () => grow(AROUND, 0));
  const below = button(".link", "Show what follows", () => grow(0, AROUND));
  let [first, last] = [Math.max(0, at - AROUND), Math.min(chunks.length, at + AROUND + 1)];
  const draw = () => {
    text.replaceChildren(...stretch(chunks, first, last, ranges));
    above.hidden = first === 0;
    below.hidden = last === chunks.length;
  };
  const grow = (before, after) => {
    const scroller = text.closest(".panel-body");
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    [first, last] = [Math.max(0, first - before), Math.min(chunks.length, last + after)];
    draw();
    if (before) scroller.scrollTop = scroller.scrollHeight - fromEnd;
  };
  draw();
  return [facts, above, text, below];
}

// Neighbouring chunks overlap: each shows only what the one before it did not.
function stretch(chunks, first, last, ranges) {
  const pieces = [];
  let end = chunks[first].start;
  for (const chunk of chunks.slice(first, last)) {
    if (chunk.end <= end) continue;
    if (chunk.start > end && pieces.length) pieces.push("\n\n");
    const from = Math.max(chunk.start, end);
    pieces.push(sourceText(Array.from(chunk.text).slice(from - chunk.start).join(""), ranges, from));
    end = chunk.end;
  }
  return pieces;
}
