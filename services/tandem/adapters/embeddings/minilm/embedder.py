"""The `Embedder` over MiniLM: off the event loop, queries not behind documents, the last queries remembered."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tandem.adapters.embeddings.batches import batches
from tandem.adapters.embeddings.minilm.wordpieces import MAX_TOKENS, WordPieces
from tandem.ports.embedder import DenseVector, EmbedderCard, EmbedKind

if TYPE_CHECKING:
    from tandem.adapters.embeddings.minilm.model import OnnxModel, Vectors

T = TypeVar("T")

_CARD = EmbedderCard(name="all-MiniLM-L6-v2-int8@8199be6f", dimensions=384, max_tokens=MAX_TOKENS)
# Texts that are cut into word pieces, and sorted by length, at a time.
_WINDOW = 128
_REMEMBERED_QUERIES = 512
# Queries in the model at a time, where there are as many cores: on two, 16 clients wait a third less than one by one.
# Running waiting queries as one batch was measured too: 3 to 13 % of the CPU, and every query waits for the longest.
_QUERIES_AT_ONCE = 4
# A longer query is not likely to come again word for word.
_REMEMBERED_CHARS = 2_000


class MiniLmEmbedder:
    """MiniLM sees no difference between a query and a document; what differs is who waits.

    Each kind has threads of its own, so that a query is never queued behind a document; that of documents is one, so
    that no more than one batch of them is in the model at any time. A cancelled call stops after the batch that is
    running; a query that was cancelled while it waited, its time being over say, never gets there.
    """

    def __init__(self, model: "OnnxModel", pieces: WordPieces, lanes: dict[EmbedKind, ThreadPoolExecutor]) -> None:
        self._model = model
        self._pieces = pieces
        self._lanes = lanes
        self._queries: OrderedDict[str, Vectors] = OrderedDict()

    @property
    def card(self) -> EmbedderCard:
        """all-MiniLM-L6-v2 with int8 weights."""
        return _CARD

    def count_tokens(self, text: str) -> int:
        """Word pieces of `text`."""
        return self._pieces.count(text)

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        """See the port."""
        if kind == "query":
            return [await self._query(text) for text in texts]
        vectors: list[DenseVector] = []
        for start in range(0, len(texts), _WINDOW):
            vectors += await self._window(texts[start : start + _WINDOW], kind)
        return vectors

    async def _query(self, text: str) -> DenseVector:
        if (known := self._queries.get(text)) is not None:
            self._queries.move_to_end(text)
            return _floats(known)
        made = (await self._run("query", lambda: self._model.vectors([self._pieces.ids(text)])))[0]
        if len(text) <= _REMEMBERED_CHARS:
            self._remember(text, made)
        return _floats(made)

    def _remember(self, text: str, vector: "Vectors") -> None:
        self._queries[text] = vector
        if len(self._queries) > _REMEMBERED_QUERIES:
            self._queries.popitem(last=False)

    async def _window(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        rows = await self._run(kind, lambda: [self._pieces.ids(text) for text in texts])
        placed: list[DenseVector] = [()] * len(rows)
        for batch in batches([len(row) for row in rows]):
            chosen = [rows[position] for position in batch]
            found = await self._run(kind, partial(self._model.vectors, chosen))
            for position, vector in zip(batch, found, strict=True):
                placed[position] = _floats(vector)
        return placed

    async def _run(self, kind: EmbedKind, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._lanes[kind], work)


@asynccontextmanager
async def minilm_embedder(threads: int = 0) -> AsyncIterator[MiniLmEmbedder]:
    """`threads` of one inference; 0 leaves one of this process's cores free. Raises `ConfigurationError`."""
    lanes: dict[EmbedKind, ThreadPoolExecutor] = {
        "query": ThreadPoolExecutor(min(_QUERIES_AT_ONCE, _cores()), "embed-query"),
        "document": ThreadPoolExecutor(1, "embed-document"),
    }
    loop = asyncio.get_running_loop()
    try:
        # Both take a tenth of a second or more, so they load side by side.
        pieces = loop.run_in_executor(lanes["query"], WordPieces)
        model = loop.run_in_executor(lanes["document"], _load, threads or max(1, _cores() - 1))
        yield MiniLmEmbedder(await model, await pieces, lanes)
    finally:
        for lane in lanes.values():
            # The running batch is waited for elsewhere than on the event loop.
            await asyncio.to_thread(lane.shutdown, wait=True, cancel_futures=True)


def _load(threads: int) -> "OnnxModel":
    # Imported by the thread that needs it: half of a cold start is reading the runtime's library.
    from tandem.adapters.embeddings.minilm.model import load_model

    return load_model(threads)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _floats(vector: "Vectors") -> DenseVector:
    floats: list[float] = vector.tolist()
    return floats
