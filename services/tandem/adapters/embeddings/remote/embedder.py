"""The `Embedder` over a server: texts of like length together, checked and brought to unit length."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tandem.adapters.embeddings.batches import batches
from tandem.adapters.embeddings.remote.counting import Counter
from tandem.adapters.embeddings.remote.posts import Posts, unreadable
from tandem.domain.errors import UpstreamFailed
from tandem.ports.embedder import DenseVector, EmbedderCard, EmbedKind

# What models add around a text.
_SPECIAL_TOKENS = 2


class Dialect(Protocol):
    """What a server speaks."""

    path: str

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        """The request."""
        ...

    def rows(self, answer: Any) -> list[Any]:
        """The vectors in the order of the texts. Raises `LookupError`, `TypeError`, `ValueError` for another answer."""
        ...


@dataclass(frozen=True, slots=True)
class Room:
    """What one call may hold: padded tokens, and texts."""

    tokens: int
    texts: int


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Put before a text: some models were trained with `query: ` and `passage: `."""

    query: str = ""
    document: str = ""


class RemoteEmbedder:
    """`ports/embedder.py`. A text over `card.max_tokens` is cut here where the counter shows it, at the server else."""

    def __init__(
        self, posts: Posts, dialect: Dialect, card: EmbedderCard, counter: Counter, room: Room, prefixes: Prefixes
    ) -> None:
        self._posts = posts
        self._dialect = dialect
        self._card = card
        self._counter = counter
        self._room = room
        self._prefixes = prefixes

    @property
    def card(self) -> EmbedderCard:
        """The server's model."""
        return self._card

    def count_tokens(self, text: str) -> int:
        """By the model's own tokenizer where it was given, else an estimate that is rather too high."""
        return self._counter.count(text)

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        """See the port. Raises `Overloaded`, `UpstreamUnavailable`, `UpstreamFailed`; documents wait a while before."""
        if not texts:
            return []
        prefix = self._prefixes.query if kind == "query" else self._prefixes.document
        # Half a surrogate pair is no character, and no JSON can hold it.
        whole = [(prefix + text).encode("utf-8", "replace").decode("utf-8") for text in texts]
        sized = (
            [self._fitting(text) for text in whole]
            if kind == "query"
            else await asyncio.to_thread(lambda: [self._fitting(text) for text in whole])
        )
        placed: list[DenseVector] = [()] * len(sized)

        async def run(batch: tuple[int, ...]) -> None:
            found = await self._vectors([sized[position][0] for position in batch], kind)
            for position, vector in zip(batch, found, strict=True):
                placed[position] = vector

        lengths = [tokens for _, tokens in sized]
        running = [asyncio.ensure_future(run(each)) for each in batches(lengths, self._room.tokens, self._room.texts)]
        try:
            await asyncio.gather(*running)
        finally:
            for call in running:
                call.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return placed

    def _fitting(self, text: str) -> tuple[str, int]:
        """The text, cut to what the model takes, and its tokens with the special ones."""
        room = self._card.max_tokens - _SPECIAL_TOKENS
        # Nothing that fits is longer than this; an endless text would be counted only to be cut.
        text = text[: 100 * self._card.max_tokens] or " "
        tokens = self._counter.count(text)
        while tokens > room:
            text = text[: max(1, len(text) * room // (tokens + 1))]
            tokens = self._counter.count(text) if len(text) > 1 else 0
        return text, max(1, tokens) + _SPECIAL_TOKENS

    async def _vectors(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        body = self._dialect.body(texts)
        ask = self._posts.post if kind == "query" else self._posts.post_patiently
        return unit_rows(self._dialect, await ask(self._dialect.path, body), len(texts), self._card.dimensions)


def unit_rows(dialect: Dialect, answer: Any, count: int, dimensions: int | None) -> list[DenseVector]:
    """`count` vectors of length 1 out of an answer. Raises `UpstreamFailed` for any other."""
    try:
        rows = np.asarray(dialect.rows(answer), dtype=np.float64)
    except (LookupError, TypeError, ValueError) as error:
        raise unreadable() from error
    if rows.ndim != 2 or len(rows) != count or not np.isfinite(rows).all():
        raise unreadable()
    if dimensions is not None and rows.shape[1] != dimensions:
        raise UpstreamFailed(
            f"The embedding server gave vectors of {rows.shape[1]} dimensions, {dimensions} are expected.",
            hint="Was its model changed? Collections hold vectors of one model: restart, and build them anew.",
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise UpstreamFailed("The embedding server gave a vector without length.")
    found: list[DenseVector] = (rows / lengths).astype(np.float32).tolist()
    return found
