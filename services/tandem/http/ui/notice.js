// A fault where it happened: what, why, what to do, and the way on.
import { button, el, icon } from "./dom.js";
import { titleOf } from "./faults.js";

// `retry` is offered after the wait that the server asked for.
export function faultNotice(fault, { retry = null, title = null } = {}) {
  return el("div.notice.fault", { role: "alert" },
    el("p.notice-title", {}, title || titleOf(fault)),
    el("p", {}, fault.message),
    fault.advice && fault.advice !== fault.message && el("p.advice", {}, fault.advice),
    retry && el("p.actions", {}, retryButton(fault, retry)));
}

function retryButton(fault, retry) {
  const locked = fault.code === "invalid_api_key";
  const label = locked ? "Enter a key" : "Try again";
  const text = el("span", {}, label);
  const control = button(".outline", "", () => retry(), {}, icon(locked ? "key" : "retry"), text);
  if (fault.retryAfter) countDown(control, text, label, fault.retryAfter);
  return control;
}

function countDown(control, text, label, wait) {
  const end = Date.now() + wait * 1000;
  control.disabled = true;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    text.textContent = left > 0 ? `${label} in ${left} s` : label;
    control.disabled = left > 0;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}
