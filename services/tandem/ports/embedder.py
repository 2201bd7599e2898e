"""Text to vectors: dense for meaning, sparse for words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

EmbedKind = Literal["query", "document"]
DenseVector = Sequence[float]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Parallel arrays: dimension and weight. Indices are unique."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EmbedderCard:
    """`name` includes the version of the weights; `max_tokens` is where a text is cut."""

    name: str
    dimensions: int
    max_tokens: int


class Embedder(Protocol):
    """Dense vectors of unit length. Calls may run side by side; the model runs off the event loop."""

    @property
    def card(self) -> EmbedderCard:
        """What this embedder is."""
        ...

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        """One vector of `card.dimensions` floats per text, in order; `[]` for no texts."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` by this embedder's tokenizer, without special tokens and without truncation."""
        ...


class SparseEmbedder(Protocol):
    """Term weights for BM25; the store supplies the inverse document frequency."""

    @property
    def name(self) -> str:
        """What this is, with its parameters: part of a collection's recipe."""
        ...

    def embed(self, text: str, kind: EmbedKind) -> SparseVector:
        """Weights of the text's terms; empty when it has none."""
        ...
