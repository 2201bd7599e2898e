// What can go wrong, in words, and what to do about it.

export class ApiError extends Error {
  constructor(message, { code, status = 0, advice = null, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { name: "ApiError", code, status, advice, retryAfter });
  }
}

const TITLES = {
  network: "The server cannot be reached",
  incomplete: "The answer is incomplete",
  invalid_request: "The request was not accepted",
  invalid_api_key: "An API key is needed",
  overloaded: "The server is busy",
  upstream_unavailable: "The model is not available",
  upstream_failed: "The model failed",
  store_busy: "The document store is busy",
  storage_full: "The disk is full",
  store_mismatch: "The collection does not fit this server",
  deadline_exceeded: "It took too long",
  document_rejected: "The document could not be read",
  document_not_found: "The document is not there",
  collection_not_found: "There is no such collection",
  model_not_found: "There is no such model",
  prompt_not_found: "There is no such prompt",
  context_length_exceeded: "The conversation is too long for the model",
  payload_too_large: "This is too large",
};

const ADVICE = {
  network: "Check that it is running and that you are connected, then try again.",
  incomplete: "What had arrived is kept above. Try again for the whole answer.",
  invalid_api_key: "Enter the key you were given for this server.",
  overloaded: "It has as much to do as it can take. It asks to wait a moment.",
  upstream_unavailable: "It may be starting. Wait a moment and try again.",
  upstream_failed: "Try again; if it stays so, the log of the predictor tells more.",
  store_busy: "Another process holds the store. Stop it, or wait until it is done.",
  storage_full: "Free some space where the server keeps its data, then try again.",
  store_mismatch: "It was built with another embedding model. Choose another collection, or ingest it again.",
  deadline_exceeded: "Try again, or ask for something smaller.",
  document_rejected: "Markdown, text, HTML, PDF, DOCX and source code can be read.",
  document_not_found: "It may have been deleted meanwhile. Reload the list.",
  collection_not_found: "Choose another collection in the list above.",
  context_length_exceeded: "Start a new conversation, or ask something shorter.",
  payload_too_large: "Split it into smaller pieces.",
  internal_error: "This is a fault of the server; its log tells more.",
};

const STATUS_CODES = { 401: "invalid_api_key", 413: "payload_too_large", 429: "overloaded", 503: "upstream_unavailable", 504: "deadline_exceeded" };

export const titleOf = (fault) => TITLES[fault.code] ?? "Something went wrong";

// The error object of an answer or of a stream. The server's own hint is better than ours: it knows the case.
export function faultOf(error, status = 0, retryAfter = null) {
  const code = error.code ?? STATUS_CODES[status] ?? "internal_error";
  return new ApiError(error.message || titleOf({ code }), { code, status, retryAfter, advice: error.hint ?? ADVICE[code] ?? null });
}

export function faultFrom(status, body, retryAfterHeader) {
  const wait = retryAfterHeader === null ? NaN : Number(retryAfterHeader);
  const retryAfter = Number.isFinite(wait) ? Math.max(0, Math.ceil(wait)) : null;
  let error = null;
  try { error = JSON.parse(body).error; } catch { /* a proxy's page, not ours */ }
  return faultOf(error ?? { message: `The server answered with status ${status}.` }, status, retryAfter);
}

export const offline = () => new ApiError("No answer came from the server.", { code: "network", advice: ADVICE.network });
export const incomplete = (message) => new ApiError(message, { code: "incomplete", advice: ADVICE.incomplete });
