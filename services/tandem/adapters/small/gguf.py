"""A real language model on the CPU: a GGUF through llama.cpp, in this process."""

import asyncio
import json
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tandem.adapters.small.llama_events import events, failure, text_tokens
from tandem.adapters.small.models import ModelFile, model_file
from tandem.adapters.small.permits import Permits
from tandem.domain.context import RequestContext
from tandem.domain.errors import ConfigurationError, DeadlineExceeded
from tandem.domain.generation import GenerationEvent, ModelCard, Prompt
from tandem.domain.question import Message, Sampling
from tandem.ports.clock import Clock
from tandem.ports.engine import EngineLimits, EngineLoad, TextToken

# Chunks handed over to a slow reader; what llama.cpp makes meanwhile stays with it, at most the rest of the answer.
_AHEAD = 64
# Tokens of a prompt between two chances to stop. Fewer cost speed: with 32, half as much time again.
_PROMPT_STEP = 128
_ANSWER_TOKENS = 256


class GgufEngine:
    """`ports/engine.py` over llama.cpp's own batching server; one thread per running request waits for its tokens."""

    def __init__(
        self,
        server: Any,
        model: ModelFile,
        limits: EngineLimits,
        clock: Clock,
        threads: ThreadPoolExecutor,
        local: aiohttp.ClientSession,
    ) -> None:
        self._server = server
        self._model = model
        self._limits = limits
        self._clock = clock
        self._threads = threads
        self._local = local
        self._permits = Permits(limits)

    @property
    def limits(self) -> EngineLimits:
        """What it was opened with."""
        return self._limits

    @property
    def load(self) -> EngineLoad:
        """What it is doing."""
        return self._permits.load

    async def card(self) -> ModelCard:
        """The file's."""
        return ModelCard(self._model.id, "gguf", self._limits.max_total_tokens, self._model.revision)

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """With the model's chat template."""
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        body = {"messages": messages, **_options(sampling)}
        async with self._running(self._server.handle_chat_completions, body, sampling, context) as told:
            yield told

    @asynccontextmanager
    async def complete(
        self, text: str, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """Without one."""
        body = {"prompt": text, **_options(sampling)}
        async with self._running(self._server.handle_completions, body, sampling, context) as told:
            yield told

    async def tokenize(self, text: str) -> list[TextToken]:
        """By the model's vocabulary."""
        answer = await self._ask("/tokenize", {"content": text, "with_pieces": True})
        return text_tokens(answer["tokens"])

    async def template(self, messages: tuple[Message, ...]) -> str:
        """The file's own Jinja."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str((await self._ask("/apply-template", {"messages": turns}))["prompt"])

    async def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._local.post(path, json=body) as reply:
            answer: dict[str, Any] = await reply.json()
        if "error" in answer:
            raise failure(answer["error"])
        return answer

    @asynccontextmanager
    async def _running(
        self, handle: Callable[..., None], body: dict[str, Any], sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        async with self._waited(self._permits.slot(sampling.max_tokens or _ANSWER_TOKENS), context):
            flow = _Flow(asyncio.get_running_loop())
            work = asyncio.get_running_loop().run_in_executor(self._threads, flow.run, handle, body)
            try:
                yield events(flow.chunks, lambda: self._left_s(context))
            finally:
                flow.leave()
                # The slot is free when llama.cpp has let go of it: after the token that it is at.
                await asyncio.shield(work)

    @asynccontextmanager
    async def _waited(self, slot: Any, context: RequestContext) -> AsyncIterator[None]:
        """The slot, if it comes before the deadline."""
        try:
            async with asyncio.timeout(self._left_s(context)):
                await slot.__aenter__()
        except TimeoutError as error:
            raise DeadlineExceeded("generation") from error
        try:
            yield
        finally:
            await slot.__aexit__(None, None, None)

    def _left_s(self, context: RequestContext) -> float | None:
        return None if context.deadline_s is None else max(0.0, context.deadline_s - self._clock.monotonic_s())


class _Flow:
    """llama.cpp's callback thread on one side, the event loop on the other, a bounded queue between."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = threading.Event()
        self._room = threading.Semaphore(_AHEAD)
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def run(self, handle: Callable[..., None], body: dict[str, Any]) -> None:
        """In a thread of its own: generate until the end, or until nobody listens any more."""
        try:
            if not self._left.is_set():
                handle(body, self._told)
        except RuntimeError as error:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, {"error": {"message": str(error)}})
        finally:
            # Whatever happened: a reader must not wait for ever.
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    def _told(self, chunk: dict[str, Any]) -> bool:
        """llama.cpp's callback: True stops the generation."""
        while not self._room.acquire(timeout=0.05):
            if self._left.is_set():
                return True
        self._loop.call_soon_threadsafe(self._queue.put_nowait, chunk)
        return self._left.is_set()

    async def chunks(self) -> AsyncIterator[dict[str, Any]]:
        """What llama.cpp said, piece by piece."""
        while (chunk := await self._queue.get()) is not None:
            self._room.release()
            yield chunk

    def leave(self) -> None:
        """Nobody listens any more."""
        self._left.set()


def _options(sampling: Sampling) -> dict[str, Any]:
    wanted = {
        "max_tokens": sampling.max_tokens or _ANSWER_TOKENS,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
        "response_format": None if sampling.json_schema is None else _held_to(sampling.json_schema),
    }
    present = {name: value for name, value in wanted.items() if value is not None}
    # A prompt that is half in the cache is computed in other batches, and rounding then moves a sampled answer: a seed
    # promises the same again.
    kept = {"cache_prompt": False} if sampling.seed is not None else {}
    # Progress is told while the prompt is read, and whoever is told can stop it.
    told = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
    return {**told, **kept, **present}


def _held_to(schema: str) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": json.loads(schema)}}


@asynccontextmanager
async def gguf_engine(
    name: str, *, context_tokens: int, parallel: int, max_concurrent_requests: int, clock: Clock, threads: int = 0
) -> AsyncIterator[GgufEngine]:
    """Load the model named `name` (see `models.py`). `threads` 0 leaves one core free: with all of them taken, llama.cpp's
    waiting threads spin against everything else on the machine. Raises `ConfigurationError`."""
    loop = asyncio.get_running_loop()
    model = await loop.run_in_executor(None, model_file, name)
    key = secrets.token_urlsafe(24)
    limits = EngineLimits(context_tokens, max_concurrent_requests, parallel, json_schemas=True)
    count = threads or max(1, len(os.sched_getaffinity(0)) - 1)
    server = await loop.run_in_executor(None, _load, model.path, limits, count, key)
    session = aiohttp.ClientSession(server.listening_address, headers={"authorization": f"Bearer {key}"})
    with ThreadPoolExecutor(parallel, "gguf") as pool:
        async with session:
            yield GgufEngine(server, model, limits, clock, pool, session)


def _load(path: Path, limits: EngineLimits, threads: int, key: str) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigurationError(
            "llama.cpp is not installed.", hint="pip install 'tandem-rag[gguf]', or scripts/run --model …"
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = limits.max_total_tokens * limits.parallel
    params.n_parallel = limits.parallel
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    # A long prompt is read in steps: between two of them others get their tokens, and whoever left is noticed.
    params.n_batch = params.n_ubatch = _PROMPT_STEP
    params.warmup = False
    params.verbosity = -1
    # It always opens a loopback port of its own (used here to tokenize); the key keeps others out.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ConfigurationError(
            f"llama.cpp cannot load {path.name}: {error}.", hint="The file may be damaged, or too large for the memory."
        ) from error
