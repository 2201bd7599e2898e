"""A cross-encoder in this process: an ONNX model from a folder or from the hub."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from tandem.adapters.rerankers.files import CrossEncoderFiles, cross_encoder_files
from tandem.domain.context import RequestContext
from tandem.domain.passage import Passage

if TYPE_CHECKING:
    from tandem.adapters.rerankers.pairs import Pairs

T = TypeVar("T")

# Pairs in the model at a time: who leaves meanwhile waits for no more than these.
_BATCH = 8


class CrossEncoder:
    """Scores are the model's own, unbounded; only their order and their distances within one question mean something.

    One question at a time is in the model; a cancelled call stops after the batch that is running.
    """

    def __init__(self, name: str, pairs: "Pairs", lane: ThreadPoolExecutor) -> None:
        self._name = name
        self._pairs = pairs
        self._lane = lane

    @property
    def name(self) -> str:
        """The model and its version."""
        return self._name

    async def score(self, question: str, passages: Sequence[Passage], context: RequestContext) -> list[float]:
        """See the port. Raises `UpstreamFailed`."""
        del context
        texts = [passage.chunk.text for passage in passages]
        found = [0.0] * len(texts)
        if not texts:
            return found
        pairs = await self._run(lambda: self._pairs.tokens(question, texts))
        # Pairs of like length together: a batch is as long as its longest.
        order = sorted(range(len(pairs)), key=lambda place: len(pairs[place].ids))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            batch = [pairs[place] for place in places]
            scores = await self._run(lambda batch=batch: self._pairs.scores(batch))  # type: ignore[misc]
            for place, score in zip(places, scores, strict=True):
                found[place] = score
        return found

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._lane, work)


@asynccontextmanager
async def cross_encoder(place: str, *, threads: int = 0, max_tokens: int = 512) -> AsyncIterator[CrossEncoder]:
    """`place` is a folder or hf://org/repo@revision; `threads` of one inference, 0 leaves one of the cores free.

    Raises `ConfigurationError` when there is no such model, or it is no cross-encoder.
    """
    with ThreadPoolExecutor(1, "rerank") as lane:
        loop = asyncio.get_running_loop()
        files = await loop.run_in_executor(lane, cross_encoder_files, place)
        pairs = await loop.run_in_executor(lane, _load, files, threads or max(1, _cores() - 1), max_tokens)
        try:
            yield CrossEncoder(files.name, pairs, lane)
        finally:
            # The running batch is waited for elsewhere than on the event loop.
            await asyncio.to_thread(lane.shutdown, wait=True, cancel_futures=True)


def _load(files: CrossEncoderFiles, threads: int, max_tokens: int) -> "Pairs":
    # Imported by the thread that needs it: reading the runtime's library takes a while.
    from tandem.adapters.rerankers.pairs import Pairs

    return Pairs(files, threads=threads, max_tokens=max_tokens)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
