"""What a collection knows, as one viewer may see it: the values of its fields, and whether any document meets conditions."""

from dataclasses import dataclass
from typing import Protocol

from cachetools import TTLCache

from tandem.domain.filters import Filter, FilterField
from tandem.domain.viewer import Viewer
from tandem.ports.clock import Clock
from tandem.retrieval.reading.names import Names

# New documents bring new authors; a question may miss one for so long.
_KEPT_S = 30.0
# Of collections, viewers and fields together.
_KEPT = 256
_MOST_VALUES = 1000


class Known(Protocol):
    """The part of the vector store that is asked; see `ports/vectors.py`."""

    async def values(self, collection: str, viewer: Viewer, field: FilterField, *, limit: int) -> tuple[str, ...]:
        """The field's values among what the viewer may see."""
        ...

    async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
        """True when some passage that the viewer may see meets all conditions."""
        ...


class Catalogue:
    """Asks the store, and keeps names for half a minute: one viewer's are never another's."""

    def __init__(self, known: Known, clock: Clock) -> None:
        self._known = known
        self._names: TTLCache[tuple[str, Viewer, FilterField], Names] = TTLCache(
            _KEPT, ttl=_KEPT_S, timer=clock.monotonic_s
        )

    def seen(self, collection: str, viewer: Viewer) -> "Shelf":
        """One collection with one viewer's eyes."""
        return Shelf(self, collection, viewer)

    async def names(self, collection: str, viewer: Viewer, field: FilterField) -> Names:
        """The field's values, to be found in words."""
        key = (collection, viewer, field)
        kept = self._names.get(key)
        if kept is None:
            kept = Names(await self._known.values(collection, viewer, field, limit=_MOST_VALUES))
            self._names[key] = kept
        return kept

    async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
        """As the store says now."""
        return await self._known.holds(collection, viewer, filters)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One collection as one viewer sees it."""

    catalogue: Catalogue
    collection: str
    viewer: Viewer

    async def names(self, field: FilterField) -> Names:
        """The field's values."""
        return await self.catalogue.names(self.collection, self.viewer, field)

    async def holds(self, filters: Filter) -> bool:
        """True when some passage meets them all."""
        return await self.catalogue.holds(self.collection, self.viewer, filters)
