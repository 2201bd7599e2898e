"""Who gets into the model, and when."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tandem.adapters.embeddings.minilm.embedder import MiniLmEmbedder
from tandem.adapters.embeddings.minilm.model import OnnxModel, Vectors
from tandem.adapters.embeddings.minilm.wordpieces import WordPieces
from tandem.domain.errors import UpstreamFailed

PIECES = WordPieces()


class Held:
    """A model that runs until it is let go; remembers what came, and how many at a time."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.rows: list[list[int]] = []
        self.running = self.most = 0
        self._lock = threading.Lock()

    def vectors(self, rows: Sequence[Sequence[int]]) -> Vectors:
        with self._lock:
            self.rows += [list(row) for row in rows]
            self.running += 1
            self.most = max(self.most, self.running)
        self.go.wait(5)
        with self._lock:
            self.running -= 1
        return np.ones((len(rows), 384), np.float32)


@asynccontextmanager
async def embedder(model: Held, queries: int = 2) -> AsyncIterator[MiniLmEmbedder]:
    with ThreadPoolExecutor(queries) as query, ThreadPoolExecutor(1) as document:
        try:
            yield MiniLmEmbedder(model, PIECES, {"query": query, "document": document})  # type: ignore[arg-type]
        finally:
            model.go.set()


async def until_running(model: Held, count: int) -> None:
    deadline = time.monotonic() + 5
    while model.running < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_a_query_that_is_given_up_while_it_waits_never_gets_into_the_model() -> None:
    model = Held()
    async with embedder(model) as minilm:
        asking = [asyncio.create_task(minilm.embed([f"question {n}"], "query")) for n in range(20)]
        await until_running(model, 2)
        for task in asking[2:]:
            task.cancel()
        await asyncio.gather(*asking[2:], return_exceptions=True)
        model.go.set()
        await asyncio.gather(*asking[:2])
        await minilm.embed(["another"], "query")
    assert len(model.rows) == 3
    assert model.most == 2


async def test_a_query_does_not_wait_for_documents() -> None:
    model = Held()
    async with embedder(model, queries=1) as minilm:
        reading = asyncio.create_task(minilm.embed(["a long document"] * 300, "document"))
        await until_running(model, 1)
        asking = asyncio.create_task(minilm.embed(["a question"], "query"))
        await until_running(model, 2)
        model.go.set()
        await asyncio.gather(reading, asking)


async def test_a_query_that_came_before_needs_no_model() -> None:
    model = Held()
    model.go.set()
    async with embedder(model) as minilm:
        first = await minilm.embed(["the same"], "query")
        assert await minilm.embed(["the same"], "query") == first
    assert len(model.rows) == 1


async def test_a_model_that_fails_is_told_in_our_own_words() -> None:
    class Broken(OnnxModel):
        def __init__(self) -> None:
            self._session = self

        def run(self, *_: object) -> None:
            raise RuntimeError("Failed to allocate memory for requested buffer")

    with ThreadPoolExecutor(1) as lane:
        minilm = MiniLmEmbedder(Broken(), PIECES, {"query": lane, "document": lane})
        with pytest.raises(UpstreamFailed, match="embedding model failed"):
            await minilm.embed(["a question"], "query")
