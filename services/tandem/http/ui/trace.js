// How an answer was found: the queries, what each stage ranked, what was left out and why, and how long it took.
import { button, el, heads, plural, seconds } from "./dom.js";
import { openPassage } from "./panel.js";
import { score } from "./scores.js";

const SHOWN = 10;
const STAGES = [
  ["dense", "Dense", "Nearest in meaning, by cosine"],
  ["sparse", "Sparse", "Nearest in words, by BM25"],
  ["fused", "Fused", "Both rankings merged"],
  ["reranked", "Reranked", "After a second look", "rerank"],
];
const REASONS = {
  near_duplicate: "repeats another passage",
  below_threshold: "below the relevance threshold",
  over_top_k: "beyond the number of passages asked for",
  over_token_budget: "no room left in the prompt",
  lacks_phrase: "does not hold the quoted phrase",
  merged: "became part of a neighbour",
  suspicious: "looks like instructions to the model",
};

// Built when first opened: most readers never do.
export function traceView(result) {
  const details = el("details.trace", {}, el("summary", {}, "How this was found"));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(el("div.trace-body", {}, ...content(result).filter(Boolean)));
  });
  return details;
}

function content({ explain, timings_s: whole, question }) {
  return [
    el("section", {}, el("h4", {}, "Searched for"), el("ul.queries", {}, (explain.queries.length ? explain.queries : [question]).map((query) => el("li", {}, query)))),
    told(explain.plan?.told ?? []),
    timings({ ...explain.timings_s, ...whole }),
    el("div.stages", {}, STAGES.map(([name, title, meaning, value = name]) => stage(title, meaning, explain[name] ?? [], value, explain))),
    others(explain.others ?? []),
    dropped(explain),
  ];
}

function told(reasons) {
  if (!reasons.length) return null;
  return el("section", {}, el("h4", {}, "Understood"), el("ul.told", {}, reasons.map((reason) => el("li", {}, reason))));
}

// What the question's other wordings found: their scores are of another text, so only the ranks are told.
function others(found) {
  if (!found.length) return null;
  return el("details.others", {}, el("summary", {}, `Found by ${plural(found.length, "other wording")}`),
    found.map(({ query, dense, sparse }) => el("section", {}, el("h4", {}, query),
      el("div.stages", {}, [["Dense", dense], ["Sparse", sparse]].filter(([, list]) => list.length).map(([title, list]) =>
        stage(title, "", list, "", {}))))));
}

function timings(values) {
  const known = Object.entries(values).filter(([, value]) => typeof value === "number");
  if (!known.length) return null;
  return el("section", {}, el("h4", {}, "Time"),
    el("dl.scores", {}, known.map(([name, value]) => el("div", {}, el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, seconds(value))))));
}

function stage(title, meaning, passages, value, explain) {
  const note = value === "rerank" ? (explain.reranker ? ` by ${explain.reranker}` : ", not used") : "";
  return el("section.stage", {},
    el("h4", {}, title, el("span.fine", {}, ` ${meaning}${note}`)),
    passages.length ? table(passages, value) : el("p.fine", {}, "Nothing."));
}

function table(passages, value) {
  const rows = passages.map((passage, i) => row(i + 1, passage, score(passage.scores?.[value])));
  const body = el("tbody", {}, rows.slice(0, SHOWN));
  const more = rows.length > SHOWN && button(".link", `Show all ${rows.length}`, () => { body.append(...rows.slice(SHOWN)); more.remove(); });
  return el("div.table-box", {}, el("table", {}, heads("#", "Passage", "Score"), body), more);
}

const row = (rank, passage, value) =>
  el("tr", {}, el("td.rank", {}, String(rank)), el("td", {}, passageLink(passage)), el("td.number", {}, value));

export function passageLink(passage) {
  const path = (passage.title_path ?? []).filter((part) => part !== passage.title).at(-1);
  const link = button(".passage-link", "", () => openPassage(passage, null, link), {},
    el("span.passage-name", {}, passage.title, path && el("span.fine", {}, ` › ${path}`)),
    el("span.passage-start", {}, passage.text.slice(0, 160).replace(/[#*`|>]+/g, " ")));
  return link;
}

function dropped({ dropped: list, threshold }) {
  if (!list.length) return null;
  const limit = threshold === null || threshold === undefined ? "" : `, threshold ${score(threshold)}`;
  const rows = list.map((drop) => el("tr", {}, el("td", {}, passageLink(drop.passage)),
    el("td.reason", {}, REASONS[drop.reason] ?? drop.reason, drop.by && el("span.fine", {}, ` (${drop.by})`)),
    el("td.number", {}, score(drop.passage.scores?.relevance))));
  return el("details.dropped", {}, el("summary", {}, `${plural(list.length, "passage")} left out${limit}`),
    el("div.table-box", {}, el("table", {}, heads("Passage", "Why", "Relevance"), el("tbody", {}, rows))));
}
