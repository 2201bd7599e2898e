// A job's events to its end, over as many connections as that takes.
import { jobEvents } from "./api.js";
import { faultOf, incomplete } from "./faults.js";
import { events } from "./sse.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15000;
const FINAL = new Set(["job_not_found", "invalid_api_key", "permission_denied", "not_served"]);

// Yields {kind, data}, each once; `lost(fault)` hears of connections that broke. Throws an ApiError when there is no use in going on.
export async function* followJob(id, signal, lost) {
  let last = 0;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const reply = await jobEvents(id, last, signal);
      for await (const event of events(reply.body)) {
        const data = JSON.parse(event.data);
        if (event.kind === "error") throw faultOf(data.error ?? {});
        last = event.id;
        wait = FIRST_WAIT_MS;
        yield { kind: event.kind, data };
        if (event.kind === "done") return;
      }
    } catch (fault) {
      if (signal.aborted) return;
      if (FINAL.has(fault.code)) throw fault;
      lost(fault.code ? fault : incomplete("The connection was lost."));
    }
    await pause(wait, signal);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});
