// What the reader thinks of an answer: a thumb, and whoever wants to says what would have been right.
import { giveFeedback } from "./api.js";
import { announce } from "./announcer.js";
import { button, el, icon } from "./dom.js";
import { titleOf } from "./faults.js";

const THUMBS = [["up", "Good answer"], ["down", "Bad answer"]];

// `turn.feedback` is {rating, corrected, comment} once something was said; a `rated` event then asks for it to be kept.
export function feedbackView(turn) {
  const note = el("span.fine", { role: "status" });
  const thumbs = THUMBS.map(([rating, label]) =>
    el("button.thumb.icon-button", { type: "button", "aria-label": label, title: label, onclick: () => rate(rating) }, icon(`thumb-${rating}`)));
  const more = button(".link", "Say more", () => { form.hidden = !form.hidden; if (!form.hidden) corrected.focus(); });
  const corrected = area("What would have been right?", turn.feedback?.corrected, 20000);
  const comment = area("Anything else?", turn.feedback?.comment, 4000);
  const form = el("form.feedback-form", { hidden: true, onsubmit: (event) => { event.preventDefault(); send(); } },
    corrected.parentNode, comment.parentNode, el("p.actions", {}, el("button.outline", { type: "submit" }, "Send")));
  const view = el("div.feedback", {}, el("div.feedback-line", { role: "group", "aria-label": "What do you think of this answer?" }, thumbs, more, note), form);
  show();

  function show() {
    thumbs.forEach((thumb, i) => thumb.setAttribute("aria-pressed", String(turn.feedback?.rating === THUMBS[i][0])));
    more.hidden = !turn.feedback;
  }

  // A press on what is pressed already changes nothing.
  const rate = (rating) => turn.feedback?.rating === rating ? null : give({ ...turn.feedback, rating }, "Thank you.");

  async function send() {
    const said = { rating: turn.feedback.rating, corrected: corrected.value.trim(), comment: comment.value.trim() };
    if (await give(said, "Thank you.")) { form.hidden = true; more.focus(); }
  }

  async function give(said, thanks) {
    note.textContent = "";
    try {
      const kept = await giveFeedback({ receipt_id: turn.result.receipt_id, rating: said.rating,
        corrected_answer: said.corrected || undefined, comment: said.comment || undefined });
      turn.feedback = said;
      note.textContent = kept.left_out ? "Thank you. Your rating is kept, your words are not: this server keeps no texts." : thanks;
      view.dispatchEvent(new CustomEvent("rated", { bubbles: true }));
      show();
      announce(note.textContent);
      return true;
    } catch (fault) {
      note.textContent = fault.code === "receipt_not_found" ? "This answer is not known to the server any more." : `${titleOf(fault)}: ${fault.message}`;
      return false;
    }
  }

  return view;
}

function area(label, value, longest) {
  const field = el("textarea", { rows: "2", maxlength: String(longest) });
  field.value = value ?? "";
  el("label", {}, el("span.fine", {}, label), field);
  return field;
}
