"""Texts of several documents, embedded together: a model does many at a time faster, and what comes out is stored together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tandem.domain.errors import TandemError
from tandem.ports.embedder import DenseVector, Embedder

# Small enough that a question asked meanwhile gets its turn at the model.
_MOST = 128


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    texts: Sequence[str]
    vectors: asyncio.Future[list[DenseVector]]


class Gathering:
    """Who comes while the model is busy is served together with all others who did; nobody waits for more to come."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._waiting: list[_Asked] = []
        self._turn = asyncio.Lock()

    async def embed(self, texts: Sequence[str]) -> list[DenseVector]:
        """One vector per text, in order. Raises what the embedder raises, for these texts only."""
        asked = _Asked(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        try:
            while not asked.vectors.done():
                async with self._turn:
                    if not asked.vectors.done():
                        await self._serve(self._next())
        finally:
            # Left before it was served: nobody is to embed it any more.
            if asked in self._waiting:
                self._waiting.remove(asked)
        return asked.vectors.result()

    def _next(self) -> list[_Asked]:
        """The longest waiting, as many as go together; the first one whatever its size."""
        chosen, texts = [self._waiting[0]], len(self._waiting[0].texts)
        for asked in self._waiting[1:]:
            texts += len(asked.texts)
            if texts > _MOST:
                break
            chosen.append(asked)
        return chosen

    async def _serve(self, chosen: Sequence[_Asked]) -> None:
        try:
            vectors = await self._embedder.embed([text for asked in chosen for text in asked.texts], "document")
        except TandemError as error:
            if len(chosen) > 1:
                # One of them may be to blame, and the others are not.
                for asked in chosen:
                    await self._serve([asked])
                return
            self._done(chosen[0])
            chosen[0].vectors.set_exception(error)
            return
        begin = 0
        for asked in chosen:
            end = begin + len(asked.texts)
            if self._done(asked):
                asked.vectors.set_result(vectors[begin:end])
            begin = end

    def _done(self, asked: _Asked) -> bool:
        """False for who has left meanwhile."""
        if asked not in self._waiting:
            return False
        self._waiting.remove(asked)
        return True
