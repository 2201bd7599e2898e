// The question's field: Enter sends, Shift+Enter breaks the line, Esc stops.
import { $ } from "./dom.js";
import { ask, isAnswering, isEmpty, newConversation, onConversation, stop } from "./conversation.js";
import { draft } from "./store.js";

export function setUpComposer() {
  const [form, field] = [$("#composer"), $("#question")];
  field.value = draft.get();
  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  };
  field.addEventListener("input", () => { draft.set(field.value); fit(); });
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
    draft.set("");
    fit();
    ask(question);
  });
  $("#stop").addEventListener("click", () => { stop(); field.focus(); });
  $("#new").addEventListener("click", () => { newConversation(); field.focus(); });
  onConversation(showState);
  showState();
  fit();
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
