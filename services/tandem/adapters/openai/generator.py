"""A predictor that speaks OpenAI's chat completions: vLLM, llama.cpp's server, KServe's, a cloud."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    ContextTooLong,
    InvalidRequest,
    Overloaded,
    TandemError,
    UnknownModel,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.generation import GenerationEvent, ModelCard, Prompt
from tandem.domain.question import Sampling
from tandem.generation.chat import ChatEvents, chat_body
from tandem.generation.known_card import KnownCard
from tandem.generation.refusals import AWAY, by_status, check_stream, overloaded
from tandem.generation.streaming import Patience, generation_events
from tandem.ports.clock import Clock
from tandem.ports.wire import Answer, Wire

_TOO_LONG = (
    *("context length", "context_length", "context size", "maximum context", "too long"),
    # TGI's words, behind its own OpenAI route.
    *("`max_new_tokens` must be <=", "`inputs` must have less than"),
)
_PROBE_S = 5.0
# What a server that does not tell is taken to hold.
_CONTEXT_TOKENS = 4096


class OpenAIGenerator:
    """`ports/generator.py` over one endpoint."""

    def __init__(self, wire: Wire, model: str, patience: Patience, clock: Clock) -> None:
        self._wire = wire
        self._model = model
        self._patience = patience
        self._clock = clock
        self._known = KnownCard(self._models, clock)

    async def card(self) -> ModelCard:
        """From `/v1/models`, now and then."""
        return await self._known.get()

    async def _models(self, timeout_s: float) -> ModelCard:
        answer = await self._wire.get("/v1/models", timeout_s=timeout_s)
        if answer.status != 200:
            raise failure(answer)
        return _card(answer.body, self._model)

    async def probe(self) -> None:
        """Asks whether a request would be taken. Raises `UpstreamUnavailable`."""
        answer = await self._wire.get("/v1/models", timeout_s=_PROBE_S)
        if answer.status != 200:
            raise UpstreamUnavailable(f"The predictor lists no models ({answer.status}).")

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """Leaving closes the connection, which is the cancel call."""
        asked = chat_body(prompt, sampling, self._model)
        async with self._wire.post("/v1/chat/completions", orjson.dumps(asked), context) as reply:
            if reply.status != 200:
                raise failure(await reply.whole())
            check_stream(reply)
            yield generation_events(reply.pieces(), ChatEvents(in_stream), self._patience, context, self._clock)


def failure(answer: Answer) -> TandemError:
    """An answer that is no 200 as one of our errors."""
    told, message = _told(answer.body)
    match answer.status:
        case 429:
            return overloaded(f"The predictor is overloaded: {message}", answer)
        case 404 if told:
            return UnknownModel(f"The predictor does not know what was asked for: {message}", param="model")
        case 400 | 413 | 422:
            return _refused(message)
        case _:
            return by_status(answer, message)


def _told(body: bytes) -> tuple[bool, str]:
    """Whether the body is an error as OpenAI writes it, and what it says."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False, body[:200].decode("utf-8", "replace")
    error = told.get("error", told) if isinstance(told, dict) else told
    return isinstance(told, dict), str(error.get("message", error)) if isinstance(error, dict) else str(error)


def in_stream(error: Mapping[str, Any]) -> TandemError:
    """An error object inside a stream."""
    message = str(error.get("message", error))
    code = error.get("code") or error.get("type") or error.get("http_status_code")
    # TGI's OpenAI route says 422 whatever happened: overload is told by its words.
    if code in {429, "overloaded", "rate_limit_exceeded"} or message == "Model is overloaded":
        return Overloaded(f"The predictor is overloaded: {message}")
    if code in AWAY:
        return UpstreamUnavailable(f"The predictor is not available ({code}): {message}")
    if code in {400, "invalid_request_error", "context_length_exceeded"}:
        return _refused(message)
    if code == 422 and "validation error" in message.lower():
        return _refused(message)
    return UpstreamFailed(f"The predictor failed: {message}")


def _refused(message: str) -> TandemError:
    if any(mark in message.lower() for mark in _TOO_LONG):
        return ContextTooLong(f"The predictor refuses the prompt: {message}", hint="Ask for fewer passages or tokens.")
    return InvalidRequest(f"The predictor refuses the request: {message}")


def _card(body: bytes, wanted: str) -> ModelCard:
    try:
        models = list(orjson.loads(body).get("data", ()))
        entry = next((one for one in models if one.get("id") == wanted), models[0] if models else {})
        context = int(entry.get("max_model_len") or entry.get("context_tokens") or _CONTEXT_TOKENS)
        return ModelCard(wanted, str(entry.get("engine") or entry.get("owned_by") or "openai"), context)
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise UpstreamFailed(
            "The predictor's /v1/models is not OpenAI's.", hint="Try predictor.protocol: tgi."
        ) from error
