"""A predictor that is Text Generation Inference: its chat endpoint, so that the model's own template applies.

huggingface_hub supplies TGI's types and errors; the stream itself runs over aiohttp, whose CPU per token is a third of
huggingface_hub's HTTP client.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
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
from tandem.generation.chat import ChatEvents, chat_body, request_headers
from tandem.generation.streaming import Patience, begun, generation_events
from tandem.ports.clock import Clock

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
    """`ports/generator.py` over one TGI and one pool of connections."""

    def __init__(self, http: aiohttp.ClientSession, url: str, patience: Patience, clock: Clock) -> None:
        self._http = http
        self._url = url
        self._patience = patience
        self._clock = clock
        self._card: ModelCard | None = None

    async def card(self) -> ModelCard:
        """From `/info`, once."""
        if self._card is None:
            try:
                async with self._http.get(f"{self._url}/info", timeout=aiohttp.ClientTimeout(total=10)) as reply:
                    body = await reply.read()
                    if reply.status != 200:
                        raise failure(reply.status, body)
                    info = orjson.loads(body)
                    self._card = ModelCard(
                        id=str(info["model_id"]),
                        engine=str(info.get("router") or "tgi"),
                        context_tokens=int(info["max_total_tokens"]),
                        revision=info.get("model_sha"),
                    )
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _away(error) from error
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                raise UpstreamFailed(
                    "The predictor's /info is not TGI's.", hint="Try predictor.protocol: openai."
                ) from error
        return self._card

    async def probe(self) -> None:
        """Asks whether a request would be taken. Raises `UpstreamUnavailable`."""
        try:
            async with self._http.get(f"{self._url}/health", timeout=aiohttp.ClientTimeout(total=_PROBE_S)) as reply:
                if reply.status != 200:
                    raise UpstreamUnavailable(f"The predictor says that it is not healthy ({reply.status}).")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(error) from error

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """Leaving closes the connection, which is TGI's cancel call."""
        body = orjson.dumps(chat_body(prompt, sampling, _MODEL))
        headers = request_headers(context, self._clock)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._patience.connect_s)
        async with AsyncExitStack() as held:
            try:
                reply = await begun(
                    lambda: held.enter_async_context(
                        self._http.post(f"{self._url}/v1/chat/completions", data=body, headers=headers, timeout=timeout)
                    ),
                    self._patience,
                    context,
                    self._clock,
                )
                if reply.status != 200:
                    told = await begun(reply.read, self._patience, context, self._clock)
                    raise failure(reply.status, told, reply.headers.get("retry-after"))
            except aiohttp.ClientError as error:
                raise _away(error) from error
            events = ChatEvents(in_stream)
            yield generation_events(_pieces(reply), events, self._patience, context, self._clock)


async def _pieces(reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in reply.content.iter_any():
            yield piece
    except aiohttp.ClientError as error:
        raise UpstreamFailed(f"TGI's connection broke: {error}.") from error


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


def failure(status: int, body: bytes, retry_after: str | None = None) -> TandemError:
    """An answer that is no 200 as one of our errors. What a proxy before TGI says when TGI is away can be tried again."""
    error = raised(status, body)
    if isinstance(error, OverloadedError):
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
        return Overloaded("The predictor is overloaded.", retry_after_s=wait_s)
    if isinstance(error, UnknownError) and status in {408, 502, 503, 504}:
        return UpstreamUnavailable(f"The predictor is not available ({status}): {error}")
    return translated(error)


def in_stream(error: Mapping[str, Any]) -> TandemError:
    """An error inside a stream. The chat stream says 422 whatever happened: overload is told by its words."""
    message = str(error.get("message") or error.get("error") or error)
    if message == _OVERLOADED or error.get("error_type") == "overloaded":
        return translated(OverloadedError(message))
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


def _away(error: Exception) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        f"The predictor cannot be reached: {str(error) or type(error).__name__}.", hint="Check predictor.url."
    )


@asynccontextmanager
async def tgi_generator(
    url: str, *, api_key: str | None, patience: Patience, clock: Clock
) -> AsyncIterator[TgiGenerator]:
    """`url` is the server's root."""
    authorization = {"authorization": f"Bearer {api_key}"} if api_key else {}
    # No limit on connections: how many requests run is decided before they come here.
    pool = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    async with aiohttp.ClientSession(connector=pool, headers=authorization) as http:
        yield TgiGenerator(http, url.rstrip("/"), patience, clock)
