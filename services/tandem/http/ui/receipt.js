// The receipt of an answer, in the side panel: what it was made from, as the server recorded it.
import { $, button, el, heads, plural, seconds } from "./dom.js";
import { receiptOf } from "./api.js";
import { faultNotice } from "./notice.js";
import { isShown, showPanel } from "./panel.js";
import { score } from "./scores.js";

const HIDDEN = {
  withheld: "Question, passages and answer are for whoever asked.",
  not_kept: "Question, passages and answer are not kept on this server, only what they were made with.",
};

export function receiptLink(id) {
  const link = button(".link", "Receipt", () => open(id, link), { "aria-haspopup": "dialog" });
  return link;
}

async function open(id, from) {
  const body = showPanel(from,
    el("div", {}, el("p.small-caps", {}, "Receipt"), el("h2", { id: "panel-title" }, "What this answer was made from"), el("p.fine", {}, id)),
    el("p.fine.loading", {}, "Loading the receipt…"));
  let receipt;
  try {
    receipt = await receiptOf(id);
  } catch (fault) {
    if (isShown(body)) $(".loading", body).replaceWith(faultNotice(fault, { retry: () => open(id, from) }));
    return;
  }
  if (isShown(body)) $(".loading", body).replaceWith(...content(receipt).filter(Boolean));
}

function content(receipt) {
  const { model, retrieval, prompt, usage, timing, error } = receipt;
  return [
    HIDDEN[receipt.texts] && el("p.fine", {}, HIDDEN[receipt.texts]),
    receipt.question.text && section("Question", el("p.source", {}, receipt.question.text)),
    receipt.answer.text && section("Answer", el("p.source", {}, receipt.answer.text)),
    facts([
      ["Outcome", [receipt.outcome, ...receipt.degraded].join(", ").replaceAll("_", " ")],
      error && ["Error", [error.code, error.message].filter(Boolean).join(": ")],
      ["Asked", new Date(receipt.began_at * 1000).toLocaleString()],
      ["Release", receipt.release],
      ["Collection", retrieval.collection || retrieval.asked],
      ["Found with", joined(retrieval.embedder, retrieval.sparse, retrieval.reranker)],
      ["Prompt", prompt && `${prompt.template}, ${plural(prompt.chars, "character")}`],
      ["Model", model && joined(model.id, model.revision, model.engine)],
      ["Sent to", model && `${model.pool} in ${model.region}`],
      ["Allowed regions", model?.allowed_regions?.join(", ")],
      ["Tokens", `${usage.prompt_tokens} of prompt, ${usage.completion_tokens} of answer`],
      ["Cost", usage.cost ? String(usage.cost) : null],
      ["Time", joined(seconds(timing.duration_s), timing.first_token_s !== null && `first token after ${seconds(timing.first_token_s)}`)],
      ["Trace", receipt.trace?.trace_id],
    ]),
    retrieval.passages.length > 0 && section(plural(retrieval.passages.length, "passage"), passages(receipt)),
    timing.stages.length > 0 && section("Steps", steps(timing.stages)),
  ];
}

const joined = (...parts) => parts.filter(Boolean).join(" · ");

const section = (title, ...rest) => el("section", {}, el("h3.small-caps", {}, title), ...rest);

const facts = (pairs) => el("dl.receipt-facts", {}, pairs.filter((pair) => pair && pair[1]).map(([name, value]) =>
  el("div", {}, el("dt", {}, name), el("dd", {}, value))));

function passages({ retrieval, answer }) {
  const cited = new Map(answer.citations.map(({ chunk_id, number }) => [chunk_id, number]));
  const rows = retrieval.passages.map((passage, at) => el("tr", {}, el("td.rank", {}, String(at + 1)),
    el("td", {}, passage.chunk_id || "withheld", cited.has(passage.chunk_id) && el("span.fine", {}, ` cited as ${cited.get(passage.chunk_id)}`)),
    el("td.number", {}, score(passage.scores.relevance))));
  return el("div.table-box", {}, el("table", {}, heads("#", "Passage", "Relevance"), el("tbody", {}, rows)));
}

const steps = (stages) => el("dl.scores", {}, stages.map(({ name, took_s }) =>
  el("div", {}, el("dt", {}, name), el("dd", {}, seconds(took_s)))));
