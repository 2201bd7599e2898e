"""What the embedded engine and a server have in common: points in, points out, one collection at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.adapters.qdrant.conditions import Where
from tandem.adapters.qdrant.payload import Hit, NewPoint, Payload
from tandem.domain.document import Recipe
from tandem.domain.lineage import Lineage
from tandem.ports.copying import StoredPoint
from tandem.ports.embedder import DenseVector, SparseVector


@dataclass(frozen=True, slots=True)
class Legs:
    """The hits of one hybrid query, each list best first; `fused` comes without payloads."""

    dense: list[Hit]
    sparse: list[Hit]
    fused: list[Hit]


class Engine(Protocol):
    """Every call but `names` and `create` raises `UnknownCollection`; writes are durable when they return.

    The collections here are versions, such as `docs@3`.
    """

    @property
    def whole_batches(self) -> bool:
        """True when one upsert takes effect as a whole, whatever ends the process."""
        ...

    async def names(self) -> list[str]:
        """All versions of all collections."""
        ...

    async def serving(self, *, fresh: bool = False) -> Mapping[str, str]:
        """Which version each collection's name stands for. `fresh`: as of now, rather than of a second ago."""
        ...

    async def point(self, base: str, version: str, instead_of: str | None) -> None:
        """Let the name `base` stand for `version`, from one moment to the next.

        Raises `VersionConflict` when it does not stand for `instead_of` any more (None: for nothing yet).
        """
        ...

    async def withdraw(self, base: str) -> None:
        """Let the name stand for nothing."""
        ...

    async def adopt(self, base: str) -> bool:
        """Make a collection of this very name, from before there were versions, the first one. False: there is none."""
        ...

    async def lineage(self, name: str) -> Lineage:
        """How the version came to be."""
        ...

    async def keep_lineage(self, name: str, lineage: Lineage) -> None:
        """Replace it."""
        ...

    async def recipe(self, name: str, *, fresh: bool = True) -> Recipe:
        """How the collection's points are made; unless `fresh`, as it was ten seconds ago will do."""
        ...

    async def create(self, name: str, recipe: Recipe, lineage: Lineage) -> None:
        """Make an empty version with its indexes; nothing half-made is left by a crash."""
        ...

    async def drop(self, name: str) -> None:
        """Delete it with everything in it."""
        ...

    async def upsert(self, name: str, points: Sequence[NewPoint]) -> None:
        """Write or overwrite by id. Raises `StoreFull`."""
        ...

    async def set_payload(self, name: str, where: Where, payload: Payload) -> None:
        """Overwrite these keys of all points that match; vectors and other keys stay."""
        ...

    async def delete(self, name: str, where: Where) -> None:
        """Delete what matches, all or nothing."""
        ...

    async def retrieve(self, name: str, ids: Sequence[str]) -> list[Payload]:
        """The payloads of those that exist, in no order."""
        ...

    async def scroll(self, name: str, where: Where, only: Sequence[str] = ()) -> list[Payload]:
        """The payloads of all that match, in no order; `only` these fields of them, where some are named."""
        ...

    async def embedded(self, name: str, where: Where) -> list[tuple[Payload, DenseVector, SparseVector]]:
        """The same with their vectors; all that match must have some."""
        ...

    async def points(
        self, name: str, where: Where, limit: int, after: str | None, *, only: Sequence[str] = (), vectors: bool
    ) -> tuple[list[StoredPoint], str | None]:
        """A page of all that match, ordered by id from `after` on, and where the next one begins; None after the last."""
        ...

    async def values(self, name: str, key: str, where: Where, limit: int | None = None) -> list[str]:
        """The distinct values of a keyword field among all that match, in no order; with a limit the most frequent.

        Without one only for fields that have one value at most.
        """
        ...

    async def count(self, name: str, where: Where) -> int:
        """How many match, exactly."""
        ...

    async def query(
        self,
        name: str,
        dense: DenseVector,
        sparse: SparseVector,
        where: Where,
        limit: int,
        within_s: float | None = None,
    ) -> Legs:
        """Both legs and their fusion (RRF); a leg without a vector is empty. `within_s`: see `VectorQuery`."""
        ...

    async def optimize(self, name: str) -> None:
        """Index what was written since."""
        ...
