"""A predictor that says which version it serves, as TGI does; one may answer the same to everything, or fail at everything."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from queue import Queue
from threading import Thread

from fakes.predictor import predictor
from tandem.adapters.small.extractive import ExtractiveEngine
from tandem.app import parts
from tandem.app.clock import SystemClock
from tandem.app.settings import load_settings
from tandem.domain.errors import UpstreamFailed
from tandem.domain.generation import ModelCard
from tandem.ports.embedder import Embedder
from tandem.ports.engine import EngineLimits
from tandem.prompting.fences import Fenced

# What one says that has no answers.
FAULT = "fault"


class Revised(ExtractiveEngine):
    """`says` goes before what it would quote."""

    def __init__(self, embedder: Embedder, revision: str, says: str) -> None:
        super().__init__(embedder, EngineLimits(4096, 32, 4), SystemClock())
        self._revision = revision
        self._says = says

    async def card(self) -> ModelCard:
        return replace(await super().card(), revision=self._revision)

    async def _answer(self, fenced: Fenced) -> str:
        if self._says == FAULT:
            raise UpstreamFailed("the weights are broken")
        return self._says or await super()._answer(fenced)


@contextmanager
def predictors(*told: tuple[str, str]) -> Iterator[list[str]]:
    """Their URLs, in a thread of their own; each is a revision, and what it says in place of an answer."""
    urls: Queue[list[str]] = Queue()
    stopped: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        done = asyncio.Event()
        stopped.append((asyncio.get_running_loop(), done))
        async with AsyncExitStack() as stack:
            embedder = await stack.enter_async_context(parts.embedder(load_settings()))
            opened = [await stack.enter_async_context(predictor(Revised(embedder, *each))) for each in told]
            urls.put([each.url for each in opened])
            await done.wait()

    thread = Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        yield urls.get(timeout=60)
    finally:
        loop, done = stopped[0]
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
