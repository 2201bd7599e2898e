// Questions that are answered later: the caller's list of them, newest first.
import { $, button, el, heads, icon } from "./dom.js";
import * as api from "./api.js";
import { hideBatches, lookAtBatches } from "./batches.js";
import { closeJob, openJob } from "./job.js";
import { KeepingUp } from "./keeping_up.js";
import { faultNotice } from "./notice.js";
import { instant, stateOf } from "./states.js";
import { asked } from "./store.js";

const PAGE = 30;
const rows = new Map();  // by id: {line, show, createdAt}
const watch = new KeepingUp(look);
let load = 0;
let shownStatus = null;

export function setUpJobs() {
  $("#job-status").addEventListener("change", anew);
  $("#job-refresh").addEventListener("click", () => watch.start());
  $("#batches").addEventListener("moved", () => watch.start());
}

// `id`: of the one to open, null for the list.
export function showJobs(id) {
  $("#job-all").hidden = id !== null;
  $("#job-one").hidden = id === null;
  if (id === null) {
    closeJob();
    watch.start();
  } else {
    watch.stop();
    openJob(id);
  }
}

export function leaveJobs() {
  watch.stop();
  closeJob();
}

function anew() {
  rows.clear();
  shownStatus = null;
  watch.start();
}

async function look() {
  const [jobs, batches] = await Promise.all([lookAtJobs(), lookAtBatches()]);
  return jobs || batches;
}

async function lookAtJobs() {
  const mine = ++load;
  const box = $("#job-list");
  const status = $("#job-status").value;
  box.setAttribute("aria-busy", "true");
  try {
    const page = await api.jobs(status || null, null, PAGE);
    if (mine !== load) return false;
    if (page.data.length) draw(box, page, status);
    else { rows.clear(); box.replaceChildren(empty(status)); }
    return page.data.some((job) => !job.ended_at);
  } catch (fault) {
    if (mine !== load) return false;
    rows.clear();
    box.replaceChildren(faultNotice(fault, { retry: fault.code === "not_served" ? null : anew }));
    if (fault.code === "not_served") hideBatches();
    return false;
  } finally {
    if (mine === load) box.removeAttribute("aria-busy");
  }
}

const empty = (status) => el("div.empty", {}, icon("clock"), el("p", {}, status ? `No job is ${status}.` : "No jobs yet."),
  el("p.fine", {}, "Write a question under ", el("a", { href: "#ask" }, "Ask"), " and press Ask later, or run ", el("code", {}, "tandem jobs submit"), "."));

// Rows that are there stay, so that nobody loses their place; only what they say changes.
function draw(box, page, status) {
  if (shownStatus !== status || !$("table", box)) {
    rows.clear();
    shownStatus = status;
    const body = el("tbody");
    box.replaceChildren(el("table.documents.jobs", {}, el("caption.hidden", {}, "Jobs"),
      heads("Question", "Status", "Submitted", "Attempts"), body), moreButton(page, body));
  }
  const body = $("tbody", box);
  dropGone(page);
  for (const job of [...page.data].reverse()) {
    if (rows.has(job.id)) rows.get(job.id).show(job);
    else body.prepend(row(job));
  }
}

// What has another status by now, or is deleted. Those behind the page are not known to be.
function dropGone(page) {
  const there = new Set(page.data.map((job) => job.id));
  const oldest = page.next_after ? page.data.at(-1).created_at : -Infinity;
  for (const [id, { line, createdAt }] of rows) {
    if (there.has(id) || createdAt < oldest) continue;
    line.remove();
    rows.delete(id);
  }
}

function row(job) {
  const question = asked.get()[job.id];
  const state = el("span.state");
  const attempts = el("td.number");
  const show = (now) => {
    const { word, kind } = stateOf(now);
    state.dataset.state = kind;
    state.textContent = word;
    attempts.textContent = String(now.attempts);
  };
  const line = el("tr", {},
    el("td", {}, el("a.document-name", { href: `#jobs/${encodeURIComponent(job.id)}` },
      el("span", {}, question ?? job.id), question && el("span.fine", {}, job.id))),
    el("td", {}, state), el("td", {}, instant(job.created_at)), attempts);
  rows.set(job.id, { line, show, createdAt: job.created_at });
  show(job);
  return line;
}

function moreButton(page, body) {
  const more = button(".outline.more", "Show more", () => nextPage(page.next_after, body, more), { hidden: !page.next_after });
  return more;
}

async function nextPage(after, body, more) {
  more.disabled = true;
  try {
    const page = await api.jobs(shownStatus || null, after, PAGE);
    if (!body.isConnected) return;
    const lines = page.data.filter((job) => !rows.has(job.id)).map(row);
    body.append(...lines);
    more.replaceWith(moreButton(page, body));
    $("a", lines[0] ?? body)?.focus();
  } catch (fault) {
    const notice = faultNotice(fault, { retry: () => { notice.remove(); nextPage(after, body, more); } });
    more.before(notice);
    more.disabled = false;
  }
}
