// Scores of a passage, in the words of the stages that gave them.
import { el } from "./dom.js";

export const STAGES = [
  ["relevance", "Relevance", "calibrated, 0 to 1: what the threshold compares"],
  ["dense", "Dense", "cosine of the meanings"],
  ["sparse", "Sparse", "BM25 over the words"],
  ["fused", "Fused", "both rankings together"],
  ["rerank", "Reranked", "the second look"],
];

export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(Math.abs(value) >= 10 ? 1 : 3));

export function scoreList(scores) {
  const seen = STAGES.filter(([name]) => scores[name] !== null && scores[name] !== undefined);
  if (!seen.length) return el("p.fine", {}, "No scores.");
  return el("dl.scores", {}, seen.map(([name, label, meaning]) =>
    el("div", {}, el("dt", { title: meaning }, label), el("dd", {}, score(scores[name])))));
}
