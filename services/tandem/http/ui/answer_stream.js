// One question out, its answer in, piece by piece.
import { request } from "./api.js";
import { faultOf, incomplete } from "./faults.js";
import { events } from "./sse.js";

// Yields {text} pieces, then one {result, usage}. Throws an ApiError, also in the middle of the answer.
export async function* answerOf(messages, { collection, signal }) {
  const tandem = collection ? { collection, explain: true } : { explain: true };
  const body = { model: "tandem", messages, stream: true, stream_options: { include_usage: true }, tandem };
  const reply = await request("/v1/chat/completions", { method: "POST", body, signal });
  const end = { result: null, usage: null };
  for await (const { data } of pieces(reply, signal)) {
    if (data === "[DONE]") {
      yield end;
      return;
    }
    const chunk = parsed(data);
    if (chunk.error) throw faultOf(chunk.error);
    const text = chunk.choices?.[0]?.delta?.content;
    if (text) yield { text };
    if (chunk.tandem) end.result = chunk.tandem;
    if (chunk.usage) end.usage = chunk.usage;
  }
  throw incomplete("The connection ended before the answer did.");
}

async function* pieces(reply, signal) {
  try {
    yield* events(reply.body);
  } catch (error) {
    if (signal.aborted) throw error;
    throw incomplete("The connection was lost in the middle of the answer.");
  }
}

function parsed(data) {
  try { return JSON.parse(data); } catch { throw incomplete("The server sent something that could not be read."); }
}
