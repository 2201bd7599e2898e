// Which model answers, and what kind of thing it is, in words.
import { $, el } from "./dom.js";
import * as api from "./api.js";

const KINDS = {
  extractive: "quotes sentences of your documents, no language model",
  gguf: "a language model on this machine",
  tgi: "a language model served by Text Generation Inference",
  openai: "a language model behind an OpenAI-compatible server",
};

export const kindOf = (engine) => KINDS[engine] ?? null;

// The engine is named only where the model's name does not say it.
export const named = (id, engine) => (engine === id ? id : `${id} (${engine})`);

export async function showModel() {
  const models = await api.models();
  const served = models.find((model) => !model.root) ?? models[0];
  if (!served) return;
  const kind = kindOf(served.engine);
  $("#model").replaceChildren(el("strong", {}, named(served.id, served.engine)), kind ? ` — ${kind}` : "");
}
