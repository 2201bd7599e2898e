// A fault where it happened: what, why, what to do, and the way on.
import { button, el, icon } from "./dom.js";
import { titleOf } from "./faults.js";

// `retry` is offered after the wait that the server asked for.
export function faultNotice(fault, { retry = null, label = "Try again" } = {}) {
  return el("div.notice.fault", { role: "alert" },
    el("p.notice-title", {}, titleOf(fault)),
    el("p", {}, fault.message),
    fault.advice && fault.advice !== fault.message && el("p.advice", {}, fault.advice),
    retry && el("p.actions", {}, retryButton(fault, retry, label)));
}

function retryButton(fault, retry, label) {
  const text = el("span", {}, fault.code === "invalid_api_key" ? "Enter a key" : label);
  const control = button(".outline", "", () => retry(), {}, icon(fault.code === "invalid_api_key" ? "key" : "retry"), text);
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
