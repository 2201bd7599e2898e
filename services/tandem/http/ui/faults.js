// What can go wrong, in words, and what to do about it.

export class ApiError extends Error {
  constructor(message, { code, status = 0, advice = null, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { code, status, advice, retryAfter });
  }
}

// code: [title, what to do]. A hint that the server sends comes first: it knows the case.
const KNOWN = {
  network: ["The server cannot be reached", "Check that it is running and that you are connected, then try again."],
  incomplete: ["This answer is incomplete", "What had arrived is kept. Ask again for the whole answer."],
  invalid_api_key: ["An API key is needed", "Enter the key you were given for this server."],
  overloaded: ["The server is busy", "It has all the work it can take and asks to wait a moment."],
  upstream_unavailable: ["The model is not available", "It may be starting. Wait a moment and try again."],
  upstream_failed: ["The model failed", "Try again; if it stays so, the predictor's log tells more."],
  store_busy: ["The document store is busy", "Another process holds it. Stop that one, or wait until it is done."],
  storage_full: ["The disk is full", "Free some space where the server keeps its data."],
  store_mismatch: ["The collection does not fit this server", "Choose another collection, or ingest this one again."],
  deadline_exceeded: ["It took too long", "Try again, or ask for something smaller."],
  document_rejected: ["The document could not be read", "Markdown, text, HTML, PDF, DOCX and source code can be read."],
  document_not_found: ["The document is not there", "It may have been deleted meanwhile."],
  collection_not_found: ["There is no such collection", "Choose another one."],
  model_not_found: ["There is no such model"],
  prompt_not_found: ["There is no such prompt"],
  context_length_exceeded: ["The conversation is too long", "Start a new one, or ask something shorter."],
  payload_too_large: ["This is too large", "Split it into smaller pieces."],
  job_not_found: ["There is no such job", "It may have been deleted: jobs that ended are kept for a while only."],
  expired: ["It was not begun in time", "Ask again, or give it more time."],
  not_served: ["This server does not do that"],
  rate_limit_exceeded: ["That is more than you may have at once", "Wait until some of it has ended."],
  internal_error: ["Something went wrong on the server", "Its log tells more."],
};
const BY_STATUS = { 401: "invalid_api_key", 413: "payload_too_large", 429: "overloaded", 503: "upstream_unavailable", 504: "deadline_exceeded" };

export const titleOf = (fault) => KNOWN[fault.code]?.[0] ?? "The request was not accepted";

// From the error object of an answer, or of an event in a stream.
export function faultOf(error, status = 0, retryAfter = null) {
  const code = error.code ?? BY_STATUS[status] ?? "internal_error";
  return new ApiError(error.message || titleOf({ code }), { code, status, retryAfter, advice: error.hint ?? KNOWN[code]?.[1] });
}

export function faultFrom(status, body, retryAfterHeader) {
  const wait = retryAfterHeader === null ? NaN : Number(retryAfterHeader);
  const retryAfter = Number.isFinite(wait) ? Math.max(0, Math.ceil(wait)) : null;
  let error = null;
  try { error = JSON.parse(body).error; } catch { /* a proxy's page, not ours */ }
  return faultOf(error ?? { message: `The server answered with status ${status}.` }, status, retryAfter);
}

export const offline = () => faultOf({ code: "network", message: "No answer came from the server." });
export const incomplete = (message) => faultOf({ code: "incomplete", message });
