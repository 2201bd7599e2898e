"""The part of the `Vectors` port that reads conditions out of questions: what a collection knows, as one viewer sees it."""

from abc import abstractmethod

from tandem.adapters.qdrant.conditions import seen_by, seen_first_chunks
from tandem.adapters.qdrant.engine import Engine
from tandem.adapters.qdrant.payload import PATHS
from tandem.domain.filters import Filter, FilterField
from tandem.domain.viewer import Viewer


class Knowing:
    """Each method is the port's."""

    _engine: Engine

    @abstractmethod
    async def resolve(self, name: str) -> str:
        """The collection as the engine knows it. Raises `UnknownCollection`."""

    async def values(self, collection: str, viewer: Viewer, field: FilterField, *, limit: int) -> tuple[str, ...]:
        """See the port. Asked of the records: every document has one."""
        key = PATHS if field == "path" else field
        found = await self._engine.values(await self.resolve(collection), key, seen_first_chunks(viewer), limit)
        return tuple(sorted(found))

    async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
        """See the port."""
        return await self._engine.count(await self.resolve(collection), seen_by(viewer, filters)) > 0
