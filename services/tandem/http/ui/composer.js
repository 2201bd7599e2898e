// The question's field: Enter sends, Shift+Enter breaks the line, Esc stops.
import { $, el } from "./dom.js";
import { ask, askLater, isAnswering, isEmpty, newConversation, onConversation, stop } from "./conversation.js";
import { faultNotice } from "./notice.js";
import { draft } from "./store.js";

export function setUpComposer() {
  const [form, field] = [$("#composer"), $("#question")];
  field.value = draft.get();
  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  };
  const changed = () => { draft.set(field.value); fit(); $("#later").disabled = !field.value.trim(); };
  field.addEventListener("input", changed);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = field.value.trim();
    if (!question || isAnswering()) return;
    field.value = "";
    changed();
    $("#later-note").replaceChildren();
    ask(question);
  });
  $("#later").addEventListener("click", async () => {
    const question = field.value.trim();
    $("#later").disabled = true;
    try {
      const job = await askLater(question);
      if (field.value.trim() === question) field.value = "";
      changed();
      $("#later-note").replaceChildren(el("p.notice.calm", {}, "It will be answered when there is room: ", el("a", { href: `#jobs/${encodeURIComponent(job.id)}` }, "see this job"), "."));
    } catch (fault) {
      changed();
      $("#later-note").replaceChildren(faultNotice(fault));
    }
    field.focus();
  });
  $("#stop").addEventListener("click", () => { stop(); field.focus(); });
  $("#new").addEventListener("click", () => { newConversation(); field.focus(); });
  onConversation(showState);
  showState();
  changed();
}

function showState() {
  const answering = isAnswering();
  $("#send").hidden = answering;
  $("#stop").hidden = !answering;
  $("#new").hidden = isEmpty();
  $("#keys").hidden = !isEmpty();
  $("#welcome").hidden = !isEmpty();
  document.body.classList.toggle("answering", answering);
}
