"""What a backup needs of the vector store: its versions and points as they are stored, and a way to put them back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tandem.domain.document import Recipe
from tandem.domain.lineage import Lineage, Version
from tandem.ports.embedder import DenseVector, SparseVector
from tandem.ports.vectors import Vectors


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A chunk with both vectors, or with None for both what is remembered beside the documents. `payload` is the store's own."""

    id: str
    payload: Mapping[str, Any]
    dense: DenseVector | None = None
    sparse: SparseVector | None = None


class Copied(Vectors, Protocol):
    """A vector store that can be copied, and filled from a copy, with nothing embedded again."""

    async def every_version(self) -> tuple[Version, ...]:
        """Of all collections, without counts; the order is by collection, oldest first."""
        ...

    def points(self, version: str) -> AsyncIterator[tuple[StoredPoint, ...]]:
        """All of them, some hundreds at a time, while others go on writing.

        Each document is as it was at one moment. Positions of streams come first: what took effect after they were read
        takes effect once more.
        """
        ...

    async def put_version(self, version: str, recipe: Recipe, lineage: Lineage) -> None:
        """An empty version of this very name, which nobody is served from. There is none yet."""
        ...

    async def put_points(self, version: str, points: Sequence[StoredPoint]) -> None:
        """Durable when it returns."""
        ...

    async def discard(self, version: str) -> None:
        """Delete a version with everything in it, also the one that serves; then its collection's name stands for nothing."""
        ...
