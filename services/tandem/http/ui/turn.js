// One question with its answer, as it grows and as it stays.
import { button, el, icon, plural, seconds } from "./dom.js";
import { SentenceReader } from "./announcer.js";
import { currentCollection } from "./collections.js";
import { kindOf, named } from "./engine.js";
import { Rendering } from "./markdown.js";
import { feedbackView } from "./feedback.js";
import { faultNotice } from "./notice.js";
import { openPassage } from "./panel.js";
import { receiptLink } from "./receipt.js";
import { score } from "./scores.js";
import { passageLink, traceView } from "./trace.js";

const NEAREST = 3;
const DEGRADED = {
  rerank_skipped: "Reranking was skipped to save time.",
  rerank_failed: "The reranker did not answer, so the passages are in their first order.",
  dense_skipped: "To save time only the question's words were searched for, not its meaning.",
  dense_failed: "Embedding the question took too long, so only its words were searched for.",
  retrieval_unavailable: "The documents could not be searched: this answer stands on nothing but the model.",
};

// `turn` is {id, question, answer, state, result?, usage?, fault?, feedback?}; state is asking, done, stopped, failed, cancelled or interrupted.
export class TurnView {
  #turn;
  #again;
  #rendering;
  #reader = new SentenceReader();
  #frame = 0;

  constructor(turn, again) {
    this.#turn = turn;
    this.#again = again;
    this.answer = el("div.answer");
    this.after = el("div.after");
    this.heading = el("h2.question", { tabindex: "-1" }, turn.question);
    this.element = el("article.turn", { "aria-label": "Question and answer", dataset: { state: turn.state } }, this.heading, this.answer, this.after);
    this.#rendering = new Rendering(this.answer);
    if (turn.state === "asking") this.wait("Looking through the documents");
    else this.settle();
  }

  wait(words) {
    this.after.replaceChildren(el("p.waiting", {}, el("span.dots", { "aria-hidden": "true" }, el("i"), el("i"), el("i")), words));
  }

  // Drawn once a frame, however many pieces arrive.
  grow() {
    this.#reader.grow(this.#turn.answer);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#turn.state !== "asking") return;
      if (this.#turn.answer) this.after.replaceChildren();
      this.#rendering.show(this.#turn.answer, (number) => el("span.cite.pending", {}, String(number)));
    });
  }

  settle() {
    const { result, answer, state } = this.#turn;
    this.element.dataset.state = state;
    this.element.classList.toggle("abstained", result?.outcome === "abstained");
    this.#rendering.show(answer, (number) => this.#citation(number), true);
    this.after.replaceChildren(...[this.#note(), result && this.#outcome(result), result && this.#facts(result)].filter(Boolean));
  }

  announceEnd() { this.#reader.finish(this.#turn.answer); }

  #citation(number) {
    const found = this.#turn.result?.citations?.find((citation) => citation.number === number);
    if (!found) return this.#turn.result ? `[${number}]` : el("span.cite.pending", {}, String(number));
    const control = button(".cite", String(number), () => openPassage(found, found, control), {
      "aria-label": `Source ${number}: ${found.title}`, "aria-haspopup": "dialog", title: found.title });
    return control;
  }

  #note() {
    const { state, fault, answer } = this.#turn;
    if (fault?.code === "collection_not_found" && !currentCollection()) return nothingThere(this.#again);
    if (state === "failed") return faultNotice(fault, { retry: this.#again, title: answer && "This answer is incomplete" });
    if (state !== "stopped" && state !== "interrupted") return null;
    const words = state === "stopped" ? "You stopped this answer." : "The page was left before this answer was complete.";
    return el("div.notice", {}, el("p", {}, words), el("p.actions", {}, button(".outline", "", this.#again, {}, icon("retry"), "Ask again")));
  }

  #outcome(result) { return result.outcome === "abstained" ? nearest(result) : this.#sources(result.citations); }

  #sources(citations) {
    if (!citations.length) return null;
    return el("section.sources", {}, el("h3.small-caps", {}, "Sources"),
      el("ol", {}, citations.map((citation) => el("li", {}, sourceCard(citation)))));
  }

  #facts(result) {
    const { retrieval = 0, generation = 0 } = result.timings_s;
    const tokens = this.#turn.usage?.completion_tokens;
    const facts = [
      el("span", { title: kindOf(result.engine) }, el("strong", {}, named(result.model, result.engine))),
      el("span", { title: "Prompt template" }, result.prompt),
      el("span", { title: "Calibrated relevance of the best passage, 0 to 1" }, `relevance ${score(result.relevance)}`),
      el("span", { title: `retrieval ${seconds(retrieval)}, generation ${seconds(generation)}` }, seconds(retrieval + generation)),
      tokens > 0 && el("span", { title: `${plural(this.#turn.usage.prompt_tokens, "token")} of prompt` }, plural(tokens, "token")),
    ];
    return el("footer.facts", {},
      result.degraded.map((note) => el("p.degraded", {}, DEGRADED[note] ?? `Not everything was done: ${note.replaceAll("_", " ")}.`)),
      reworded(this.#turn.question, result.question),
      el("p.fact-line", {}, facts, result.receipt_id && el("span", {}, receiptLink(result.receipt_id))),
      result.receipt_id && feedbackView(this.#turn),
      result.explain && traceView(result));
  }
}

const reworded = (asked, searched) =>
  searched && searched !== asked && el("p.fine", {}, "Understood as: ", el("em", {}, searched));

function sourceCard(citation) {
  const path = citation.title_path.filter((part) => part !== citation.title);
  const control = button(".source-card", "", () => openPassage(citation, citation, control), { "aria-haspopup": "dialog" },
    el("span.source-number", { "aria-hidden": "true" }, String(citation.number)),
    el("span.source-title", {}, citation.title),
    el("span.source-path", {}, [...path, citation.page && `page ${citation.page}`].filter(Boolean).join(" › ")),
    el("span.source-quote.source", {}, citation.quote));
  return control;
}

// The default collection comes into being with its first document; until then there is nothing to ask.
const nothingThere = (again) => el("div.notice", {},
  el("p", {}, "There are no documents to answer from yet. ", el("a", { href: "#documents" }, "Add some"), ", then ask again."),
  el("p.actions", {}, button(".outline", "", again, {}, icon("retry"), "Ask again")));

// An abstention is an answer too: it says what came nearest, and lets the reader judge.
function nearest(result) {
  const below = (result.explain?.dropped ?? []).filter((drop) => drop.reason === "below_threshold").map((drop) => drop.passage);
  const best = below.sort((a, b) => (b.scores?.relevance ?? 0) - (a.scores?.relevance ?? 0)).slice(0, NEAREST);
  if (!best.length) return el("div.notice.calm", {}, el("p", {}, "Nothing in the documents comes near this question."), addHint());
  return el("div.notice.calm", {},
    el("p", {}, `Nothing found is close enough to answer from. The nearest, with relevance ${score(result.relevance)}`,
      result.explain.threshold === null ? ":" : ` where ${score(result.explain.threshold)} is needed:`),
    el("ul.nearest", {}, best.map((passage) => el("li", {}, passageLink(passage)))), addHint());
}

const addHint = () => el("p.fine", {}, "Try other words, or ", el("a", { href: "#documents" }, "add documents"), " that know.");
