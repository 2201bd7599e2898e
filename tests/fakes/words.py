"""Embedders that know words and nothing else, for tests of retrieval."""

from collections.abc import Sequence

from fakes.chunks import DIMENSIONS, RECIPE, dense, sparse
from tandem.ports.embedder import DenseVector, EmbedderCard, EmbedKind, SparseVector


class Words:
    """Dense and sparse vectors of a text's words; `batches` are the texts embedded together."""

    card = EmbedderCard(RECIPE.embedder, DIMENSIONS, 256)

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        self.batches.append(list(texts))
        return [dense(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class WordWeights:
    """Only the sparse ones."""

    name = RECIPE.sparse

    def embed(self, text: str, kind: EmbedKind) -> SparseVector:
        return sparse(text)
