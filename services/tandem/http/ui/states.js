// How far a job or a batch is, in words, and instants as people write them.
import { el } from "./dom.js";

const KINDS = {
  succeeded: "good", completed: "good", failed: "bad", expired: "bad", cancelled: "over",
  running: "going", in_progress: "going", finalizing: "going",
};

// `kind` is what a colour says too: good, bad, over, going or waiting.
export function stateOf({ status, cancelling }) {
  const word = cancelling ? "cancelling" : status.replaceAll("_", " ");
  return { word, kind: KINDS[status] ?? "waiting" };
}

export function instant(epochSeconds) {
  const at = new Date(epochSeconds * 1000);
  return el("time", { datetime: at.toISOString(), title: at.toLocaleString() }, at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }));
}
