"""A deterministic `Embedder` and `SparseEmbedder` without a model: words are hashed, so that shared words mean closeness."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence

from tandem.ports.embedder import DenseVector, EmbedderCard, EmbedKind, SparseVector

_WORD = re.compile(r"\w+|[^\w\s]")


class HashingEmbedder:
    """`ports/embedder.py` by the hashing trick: each word adds ±1 to one of `dimensions`; unit length.

    A token is a word or a punctuation mark. `calls` counts the texts embedded so far, for tests that ask whether
    anything was.
    """

    def __init__(self, dimensions: int = 64, max_tokens: int = 256) -> None:
        self._card = EmbedderCard(f"hashing-{dimensions}@1", dimensions, max_tokens)
        self.calls = 0

    @property
    def card(self) -> EmbedderCard:
        """What this embedder is."""
        return self._card

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:  # noqa: ARG002 - the port's
        """One unit vector per text."""
        self.calls += len(texts)
        return [self._vector(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        """Words and punctuation marks."""
        return len(_WORD.findall(text))

    def _vector(self, text: str) -> DenseVector:
        vector = [0.0] * self._card.dimensions
        for word in _WORD.findall(text.lower())[: self._card.max_tokens]:
            number = _hash(word)
            vector[number % self._card.dimensions] += 1.0 if number >> 40 & 1 else -1.0
        length = math.sqrt(sum(value * value for value in vector))
        return [value / length for value in vector] if length else [1.0, *vector[1:]]


class HashingSparse:
    """`ports/embedder.py`'s sparse half: term counts, dampened, under the hash of the word."""

    name = "hashing-sparse@1"

    def embed(self, text: str, kind: EmbedKind) -> SparseVector:
        """Weights of the words; 1 for each in a query."""
        counts = Counter(_hash(word) % 2**31 for word in re.findall(r"\w+", text.lower()))
        indices = tuple(sorted(counts))
        return SparseVector(indices, tuple(1.0 if kind == "query" else counts[i] / (counts[i] + 1.2) for i in indices))


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big")
