"""A predictor that speaks OpenAI's chat completions: vLLM, llama.cpp's server, KServe's, a cloud."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
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
from tandem.generation.chat import ChatEvents, chat_body, request_headers
from tandem.generation.streaming import Patience, begun, generation_events
from tandem.ports.clock import Clock

_TOO_LONG = (
    *("context length", "context_length", "context size", "maximum context", "too long"),
    # TGI's words, behind its own OpenAI route.
    *("`max_new_tokens` must be <=", "`inputs` must have less than"),
)
_PROBE_S = 5.0
# What a server that does not tell is taken to hold.
_CONTEXT_TOKENS = 4096


class OpenAIGenerator:
    """`ports/generator.py` over one endpoint and one pool of connections."""

    def __init__(self, http: aiohttp.ClientSession, root: str, model: str, patience: Patience, clock: Clock) -> None:
        self._http = http
        self._root = root
        self._model = model
        self._patience = patience
        self._clock = clock
        self._card: ModelCard | None = None

    async def card(self) -> ModelCard:
        """From `/v1/models`, once."""
        if self._card is None:
            try:
                async with self._http.get(f"{self._root}/models", timeout=aiohttp.ClientTimeout(total=10)) as reply:
                    if reply.status != 200:
                        raise failure(reply.status, await reply.read(), None)
                    self._card = _card(orjson.loads(await reply.read()), self._model)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _away(error) from error
            except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
                raise UpstreamFailed(
                    "The predictor's /v1/models is not OpenAI's.", hint="Try predictor.protocol: tgi."
                ) from error
        return self._card

    async def probe(self) -> None:
        """Asks whether a request would be taken. Raises `UpstreamUnavailable`."""
        try:
            async with self._http.get(f"{self._root}/models", timeout=aiohttp.ClientTimeout(total=_PROBE_S)) as reply:
                if reply.status != 200:
                    raise UpstreamUnavailable(f"The predictor lists no models ({reply.status}).")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(error) from error

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """Leaving closes the connection, which is the cancel call."""
        body = orjson.dumps(chat_body(prompt, sampling, self._model))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._patience.connect_s)
        async with AsyncExitStack() as held:
            try:
                reply = await begun(
                    lambda: held.enter_async_context(
                        self._http.post(
                            f"{self._root}/chat/completions",
                            data=body,
                            headers=request_headers(context, self._clock),
                            timeout=timeout,
                        )
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
        raise UpstreamFailed(f"The predictor's connection broke: {error}.") from error


def failure(status: int, body: bytes, retry_after: str | None) -> TandemError:
    """An answer that is no 200 as one of our errors."""
    try:
        told = orjson.loads(body)
        error = told.get("error", told) if isinstance(told, dict) else told
        message = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except orjson.JSONDecodeError:
        message = body[:200].decode("utf-8", "replace")
    match status:
        case 429:
            return Overloaded(f"The predictor is overloaded: {message}", retry_after_s=_seconds(retry_after))
        case 404:
            return UnknownModel(f"The predictor does not know what was asked for: {message}", param="model")
        case 400 | 413 | 422:
            return _refused(message)
        case 408 | 502 | 503 | 504:
            return UpstreamUnavailable(f"The predictor is not available ({status}): {message}")
        case _:
            return UpstreamFailed(f"The predictor answered {status}: {message}")


def in_stream(error: Mapping[str, Any]) -> TandemError:
    """An error object inside a stream."""
    message = str(error.get("message", error))
    code = error.get("code") or error.get("type") or error.get("http_status_code")
    # TGI's OpenAI route says 422 whatever happened: overload is told by its words.
    if code in {429, "overloaded", "rate_limit_exceeded"} or message == "Model is overloaded":
        return Overloaded(f"The predictor is overloaded: {message}")
    if code in {400, "invalid_request_error", "context_length_exceeded"}:
        return _refused(message)
    if code == 422 and "validation error" in message.lower():
        return _refused(message)
    return UpstreamFailed(f"The predictor failed: {message}")


def _refused(message: str) -> TandemError:
    if any(mark in message.lower() for mark in _TOO_LONG):
        return ContextTooLong(f"The predictor refuses the prompt: {message}", hint="Ask for fewer passages or tokens.")
    return InvalidRequest(f"The predictor refuses the request: {message}")


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else 1.0


def _away(error: Exception) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        f"The predictor cannot be reached: {str(error) or type(error).__name__}.", hint="Check predictor.url."
    )


def _card(models: Mapping[str, Any], wanted: str) -> ModelCard:
    known = [entry for entry in models.get("data", ()) if entry.get("id") == wanted] or list(models.get("data", ()))[:1]
    entry = known[0] if known else {}
    context = entry.get("max_model_len") or entry.get("context_tokens") or _CONTEXT_TOKENS
    return ModelCard(wanted, str(entry.get("engine") or entry.get("owned_by") or "openai"), int(context))


@asynccontextmanager
async def openai_generator(
    url: str, *, model: str, api_key: str | None, patience: Patience, clock: Clock
) -> AsyncIterator[OpenAIGenerator]:
    """`url` is the server's root, with or without `/v1`."""
    authorization = {"authorization": f"Bearer {api_key}"} if api_key else {}
    # No limit on connections: how many requests run is decided before they come here.
    pool = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    root = f"{url.rstrip('/').removesuffix('/v1')}/v1"
    async with aiohttp.ClientSession(connector=pool, headers=authorization) as http:
        yield OpenAIGenerator(http, root, model, patience, clock)
