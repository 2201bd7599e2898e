"""Chunks get their vectors: those that the store has for the same words already, the others from the model."""

from collections.abc import Sequence

from tandem.domain.document import Chunk
from tandem.ingestion.context import contextual_text
from tandem.pipeline.gathering import Gathering
from tandem.ports.embedder import Embedder, SparseEmbedder
from tandem.ports.vectors import EmbeddedChunk

# Small enough that a question asked meanwhile gets its turn at the model.
_BATCH = 128


class Embedding:
    """Dense and sparse vectors of chunks."""

    def __init__(self, embedder: Embedder, sparse: SparseEmbedder) -> None:
        self._embedder = embedder
        self._gathering = Gathering(embedder)
        self._sparse = sparse

    async def embedded(
        self, chunks: Sequence[Chunk], earlier: Sequence[EmbeddedChunk] = ()
    ) -> tuple[list[EmbeddedChunk], int]:
        """All chunks in order, and how many of them took their vectors from `earlier`: made by the same recipe, of the
        same words under the same headings.
        """
        known = {_words(each.chunk): each for each in earlier}
        missing = [chunk for chunk in chunks if _words(chunk) not in known]
        made = {each.chunk.ordinal: each for each in await self._made(missing)}
        found = [
            made[chunk.ordinal] if chunk.ordinal in made else _again(chunk, known[_words(chunk)]) for chunk in chunks
        ]
        return found, len(chunks) - len(missing)

    async def _made(self, chunks: Sequence[Chunk]) -> list[EmbeddedChunk]:
        made: list[EmbeddedChunk] = []
        for start in range(0, len(chunks), _BATCH):
            batch = chunks[start : start + _BATCH]
            texts = [
                contextual_text(chunk, self._embedder.count_tokens, self._embedder.card.max_tokens) for chunk in batch
            ]
            dense = await self._gathering.embed(texts)
            sparse = [self._sparse.embed(text, "document") for text in texts]
            made.extend(map(EmbeddedChunk, batch, dense, sparse))
        return made


def _words(chunk: Chunk) -> tuple[str, ...]:
    """All that a vector is made of."""
    return (chunk.text, *chunk.title_path)


def _again(chunk: Chunk, earlier: EmbeddedChunk) -> EmbeddedChunk:
    return EmbeddedChunk(chunk, earlier.dense, earlier.sparse)
