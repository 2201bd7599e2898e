// The conversation: asks, shows the turns, keeps them for a reload, stops when told to.
import { $ } from "./dom.js";
import { announce } from "./announcer.js";
import { answerOf } from "./answer_stream.js";
import { submitJob } from "./api.js";
import { currentCollection } from "./collections.js";
import { ApiError } from "./faults.js";
import * as store from "./store.js";
import { closePanel } from "./panel.js";
import { TurnView } from "./turn.js";

const REMEMBERED = 20;  // turns sent along
let turns = [];
let running = null;
let leaving = false;
const listeners = new Set();

export const onConversation = (listener) => listeners.add(listener);
export const isAnswering = () => running !== null;
export const isEmpty = () => turns.length === 0;

const changed = () => { for (const listener of listeners) listener(); };
const save = () => store.turns.set(turns);

// Leaving breaks the running request off; that is no failure of the answer.
function leave() {
  leaving = true;
  save();
  setTimeout(() => { leaving = false; }, 1000);  // in case the person stayed
}

export function restoreConversation() {
  turns = store.turns.get().map((turn) =>
    turn.state === "asking" ? { ...turn, state: "interrupted" } : { ...turn, fault: turn.fault && new ApiError(turn.fault.message, { ...turn.fault, retryAfter: null }) });
  $("#turns").replaceChildren(...turns.map((turn) => new TurnView(turn, () => askAgain(turn)).element));
  $("#turns").lastElementChild?.scrollIntoView();
  $("#turns").addEventListener("rated", save);
  addEventListener("beforeunload", leave);
  changed();
}

export function newConversation() {
  stop();
  turns = [];
  save();
  closePanel();
  $("#turns").replaceChildren();
  announce("New conversation.");
  changed();
}

export function stop() { running?.abort(); }

export async function ask(question) {
  if (running) return;
  const turn = { id: crypto.randomUUID?.() ?? String(Date.now()), question, answer: "", state: "asking" };
  const messages = [...history(), { role: "user", content: question }];
  turns.push(turn);
  const view = new TurnView(turn, () => askAgain(turn));
  $("#turns").append(view.element);
  await follow(turn, view, messages);
}

// The same question as a job, which may be answered when this page is long closed.
export async function askLater(question) {
  const collection = currentCollection();
  const messages = [...history(), { role: "user", content: question }];
  const job = await submitJob({ messages, tandem: collection ? { collection, explain: true } : { explain: true } });
  store.remember(job.id, question);
  return job;
}

function history() {
  return turns.filter((turn) => turn.answer.trim()).slice(-REMEMBERED).flatMap((turn) => [
    { role: "user", content: turn.question }, { role: "assistant", content: turn.answer }]);
}

// The turn that failed makes room for its repetition.
function askAgain(turn) {
  if (running) return;
  const at = turns.indexOf(turn);
  if (at < 0) return;
  turns.splice(at, 1);
  $("#turns").children[at].remove();
  ask(turn.question);
}

async function follow(turn, view, messages) {
  const control = new AbortController();
  running = control;
  announce("Looking through the documents.");
  save();
  changed();
  bringUp(view);
  try {
    for await (const piece of answerOf(messages, { collection: currentCollection(), signal: control.signal })) {
      if (piece.text) turn.answer += piece.text;
      else Object.assign(turn, { state: "done", result: piece.result, usage: piece.usage });
      view.grow();
    }
  } catch (error) {
    if (leaving) return;
    Object.assign(turn, ending(error, control.signal));
  } finally {
    running = null;
    view.settle();
    view.announceEnd();
    announce(words(turn));
    save();
    changed();
  }
}

function ending(error, signal) {
  if (signal.aborted) return { state: "stopped" };
  if (!(error instanceof ApiError)) throw error;
  const { message, code, status, advice, retryAfter } = error;
  return { state: "failed", fault: { message, code, status, advice, retryAfter } };
}

function words(turn) {
  if (turn.state === "stopped") return "Stopped.";
  if (turn.state !== "done") return "The answer failed.";
  const count = turn.result?.citations?.length ?? 0;
  return turn.result?.outcome === "abstained" ? "No answer was found in the documents." : `End of the answer. Sources: ${count}.`;
}

// The new question comes to the top, so that its answer has the whole screen to grow into.
function bringUp(view) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  requestAnimationFrame(() => view.element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" }));
}
