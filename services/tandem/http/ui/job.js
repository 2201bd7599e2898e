// One job: what was asked, how far it is while it is answered, what came of it.
import { $, button, el, icon } from "./dom.js";
import { announce } from "./announcer.js";
import * as api from "./api.js";
import { faultOf, titleOf } from "./faults.js";
import { followJob } from "./job_events.js";
import { faultNotice } from "./notice.js";
import { instant, stateOf } from "./states.js";
import { remember } from "./store.js";
import { TurnView } from "./turn.js";

let open = null;

export function closeJob() {
  open?.close();
  open = null;
}

export function openJob(id) {
  closeJob();
  open = new JobView(id, $("#job-one"));
}

class JobView {
  #control = new AbortController();
  #box;
  #job = null;
  #turn = null;
  #view = null;
  #facts = el("dl.job-facts");
  #actions = el("p.actions");
  #told = el("div");

  constructor(id, box) {
    this.#box = box;
    box.replaceChildren(el("p.fine.loading", {}, "Loading the job…"));
    this.#load(id);
  }

  close() { this.#control.abort(); }

  get #left() { return this.#control.signal.aborted; }

  async #load(id) {
    try {
      this.#job = await api.jobOf(id);
    } catch (fault) {
      if (!this.#left) this.#box.replaceChildren(back(), faultNotice(fault, { retry: () => openJob(id) }));
      return;
    }
    if (this.#left) return;
    const title = el("h1.job-title", { tabindex: "-1" }, "Job");
    this.#box.replaceChildren(back(), title, el("p.fine", {}, id), this.#facts, this.#actions, this.#told, el("div.job-turn"));
    this.#begin();
    title.focus({ preventScroll: true });
    if (!this.#job.ended_at) this.#follow(id);
  }

  // A view of the answer as it is known now; also after an attempt whose pieces are void.
  #begin() {
    const job = this.#job;
    const question = questionOf(job.request);
    remember(job.id, question);
    this.#turn = { id: job.id, question, answer: "", ...outcome(job) };
    this.#view = new TurnView(this.#turn, () => this.#again());
    $(".job-turn", this.#box).replaceChildren(earlier(job.request), this.#view.element);
    this.#show();
  }

  #show() {
    const job = this.#job;
    const { word, kind } = stateOf(job);
    const attempts = job.attempts > 0 && String(job.attempts);
    const facts = [
      ["Status", el("span.state", { dataset: { state: kind } }, word)],
      ["Submitted", instant(job.created_at)],
      job.not_before && !job.started_at && ["Not before", instant(job.not_before)],
      job.ended_at ? ["Ended", instant(job.ended_at)] : job.expires_at && !job.started_at && ["Expires", instant(job.expires_at)],
      attempts && ["Attempts", attempts],
      job.priority !== "normal" && ["Priority", job.priority],
    ];
    this.#facts.replaceChildren(...facts.filter(Boolean).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    const cancel = button(".outline", "", () => this.#cancel(cancel), { disabled: job.cancelling }, icon("stop"), "Cancel this job");
    this.#actions.replaceChildren(...(job.ended_at ? [] : [cancel]));
    if (this.#turn.state === "asking" && !this.#turn.answer) this.#view.wait(waiting(job));
    if (job.status === "cancelled") this.#view.after.replaceChildren(calledOff(() => this.#again()));
  }

  async #follow(id) {
    try {
      for await (const { kind, data } of followJob(id, this.#control.signal, (lost) => this.#tell(lost))) {
        this.#told.replaceChildren();
        if (kind === "token") {
          this.#turn.answer += data.text;
          this.#view.grow();
        } else if (kind === "status") {
          this.#job = { ...this.#job, status: data.status, attempts: data.attempt, started_at: this.#job.started_at ?? Date.now() / 1000 };
          this.#show();
          announce("The job is being answered.");
        } else if (kind === "retry") {
          this.#job = { ...this.#job, status: "queued" };
          this.#begin();
        }
      }
      if (this.#left) return;
      this.#job = await api.jobOf(id);
    } catch (fault) {
      if (!this.#left) this.#told.replaceChildren(faultNotice(fault, { retry: () => openJob(id) }));
      return;
    }
    if (this.#left) return;
    this.#begin();
    announce(words(this.#job));
  }

  #tell(fault) { this.#told.replaceChildren(el("p.fine", {}, `${titleOf(fault)}. It is tried again.`)); }

  async #cancel(control) {
    control.disabled = true;
    try {
      const job = await api.cancelJob(this.#job.id);
      if (this.#left || this.#job.ended_at) return;
      this.#job = { ...this.#job, status: job.status, cancelling: job.cancelling, ended_at: job.ended_at };
      if (job.ended_at) this.#turn.state = "cancelled";
      this.#show();
    } catch (fault) {
      if (this.#left) return;
      this.#told.replaceChildren(faultNotice(fault));
      control.disabled = false;
    }
  }

  // The same request, as a job of its own.
  async #again() {
    try {
      const job = await api.submitJob(this.#job.request);
      if (!this.#left) location.hash = `#jobs/${encodeURIComponent(job.id)}`;
    } catch (fault) {
      if (!this.#left) this.#told.replaceChildren(faultNotice(fault));
    }
  }
}

const back = () => el("a.link", { href: "#jobs" }, "← All jobs");

const calledOff = (again) => el("div.notice.calm", {}, el("p", {}, "This job was cancelled before it had an answer."),
  el("p.actions", {}, button(".outline", "", again, {}, icon("retry"), "Ask again")));

// What TurnView shows of it.
function outcome(job) {
  if (job.status === "failed") return { state: "failed", fault: faultOf(job.error ?? {}) };
  if (job.status === "cancelled") return { state: "cancelled" };
  if (job.status !== "succeeded") return { state: "asking" };
  const { choices, usage, tandem } = job.result ?? {};
  return { state: "done", answer: choices?.[0]?.message?.content ?? "", result: tandem, usage };
}

function waiting(job) {
  if (job.cancelling) return "Being cancelled";
  if (job.status === "running") return "Looking through the documents";
  return job.not_before && job.not_before * 1000 > Date.now() ? "Waiting for its time" : "Waiting for its turn";
}

function words(job) {
  if (job.status === "succeeded") return "The job is answered.";
  return job.status === "cancelled" ? "The job is cancelled." : "The job failed.";
}

const textOf = ({ content }) => (typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("\n"));

function questionOf(request) {
  const last = (request?.messages ?? []).findLast((message) => message.role === "user");
  return last ? textOf(last) : "The question is not kept any more.";
}

function earlier(request) {
  const before = (request?.messages ?? []).slice(0, -1);
  if (!before.length) return "";
  return el("details", {}, el("summary", {}, `After ${before.length} earlier ${before.length === 1 ? "message" : "messages"}`),
    el("ul.earlier", {}, before.map((message) => el("li", {}, el("span.small-caps", {}, message.role), el("p", {}, textOf(message))))));
}
