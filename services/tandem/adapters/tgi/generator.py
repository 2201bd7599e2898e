"""A predictor that is Text Generation Inference: its chat endpoint, so that the model's own template applies.

huggingface_hub supplies TGI's kinds of errors; the stream itself runs over a cheaper client than its own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from huggingface_hub.errors import (
    GenerationError,
    IncompleteGenerationError,
    OverloadedError,
    TextGenerationError,
    UnknownError,
)
from huggingface_hub.errors import ValidationError as TgiValidationError

from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    ContextTooLong,
    InvalidRequest,
    Overloaded,
    TandemError,
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

# Any other name is taken for a LoRA adapter's.
_MODEL = "tgi"
_PROBE_S = 5.0
_OVERLOADED = "Model is overloaded"
_KINDS: Mapping[str, type[TextGenerationError]] = {
    "generation": GenerationError,
    "incomplete_generation": IncompleteGenerationError,
    "overloaded": OverloadedError,
    "validation": TgiValidationError,
}


class TgiGenerator:
    """`ports/generator.py` over one TGI."""

    def __init__(self, wire: Wire, patience: Patience, clock: Clock) -> None:
        self._wire = wire
        self._patience = patience
        self._clock = clock
        self._known = KnownCard(self._info, clock)

    async def card(self) -> ModelCard:
        """From `/info`, now and then, and after each answer on a new connection: an old one keeps to one process."""
        return await self._known.get()

    async def _info(self, timeout_s: float) -> ModelCard:
        answer = await self._wire.get("/info", timeout_s=timeout_s)
        if answer.status != 200:
            raise failure(answer)
        return _card(answer.body)

    async def probe(self) -> None:
        """Asks whether a request would be taken. Raises `UpstreamUnavailable`."""
        answer = await self._wire.get("/health", timeout_s=_PROBE_S)
        if answer.status != 200:
            raise UpstreamUnavailable(f"The predictor says that it is not healthy ({answer.status}).")

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """Leaving closes the connection, which is TGI's cancel call."""
        body = chat_body(prompt, sampling, _MODEL)
        if sampling.json_schema is not None:
            # The name that every version of TGI has had for it.
            body["response_format"] = {"type": "json", "value": orjson.loads(sampling.json_schema)}
        async with self._wire.post("/v1/chat/completions", orjson.dumps(body), context) as reply:
            if reply.status != 200:
                raise failure(await reply.whole())
            check_stream(reply)
            if reply.first:
                self._known.doubt()
            yield generation_events(reply.pieces(), ChatEvents(in_stream), self._patience, context, self._clock)


def _card(info: bytes) -> ModelCard:
    try:
        told = orjson.loads(info)
        return ModelCard(
            id=str(told["model_id"]),
            engine=str(told.get("router") or "tgi"),
            context_tokens=int(told["max_total_tokens"]),
            revision=told.get("model_sha"),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UpstreamFailed("The predictor's /info is not TGI's.", hint="Try predictor.protocol: openai.") from error


def raised(status: int, body: bytes) -> TextGenerationError:
    """An answer that is no 200, as the error that huggingface_hub has for it."""
    try:
        told = orjson.loads(body)
        message, kind = str(told["error"]), str(told.get("error_type", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message, kind = (
            body[:200].decode("utf-8", "replace"),
            {429: "overloaded", 422: "validation", 424: "generation"}.get(status, ""),
        )
    return _KINDS.get(kind, UnknownError)(message or f"status {status}")


def failure(answer: Answer) -> TandemError:
    """An answer that is no 200 as one of our errors. What a proxy before TGI says when TGI is away can be tried again."""
    error = raised(answer.status, answer.body)
    if isinstance(error, OverloadedError):
        return overloaded("The predictor is overloaded.", answer)
    if isinstance(error, UnknownError):
        return by_status(answer, "" if str(error) == f"status {answer.status}" else str(error))
    return translated(error)


def in_stream(error: Mapping[str, Any]) -> TandemError:
    """An error inside a stream. The chat stream says 422 whatever happened: overload is told by its words."""
    message = str(error.get("message") or error.get("error") or error)
    if message == _OVERLOADED or error.get("error_type") == "overloaded":
        return translated(OverloadedError(message))
    if (status := error.get("http_status_code")) in AWAY:
        return UpstreamUnavailable(f"The predictor is not available ({status}): {message}")
    kind = str(error.get("error_type") or ("validation" if "validation error" in message.lower() else ""))
    return translated(_KINDS.get(kind, UnknownError)(message))


def translated(error: TextGenerationError) -> TandemError:
    """huggingface_hub's error as one of ours."""
    message = str(error)
    if isinstance(error, OverloadedError):
        return Overloaded("The predictor is overloaded.")
    if isinstance(error, TgiValidationError):
        # The total and the prompt alone have limits of their own, and words of their own.
        if "tokens" in message and ("must be <=" in message or "must have less than" in message):
            return ContextTooLong(f"TGI refuses the prompt: {message}", hint="Ask for fewer passages or tokens.")
        return InvalidRequest(f"TGI refuses the request: {message}")
    return UpstreamFailed(f"TGI failed: {message}")
