"""`ports/versions.py` in this process."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import UnknownCollection
from tandem.domain.lineage import Place, Version
from tandem.pipeline.turns import finish
from tandem.pipeline.versions.building import Building
from tandem.pipeline.versions.promoting import Promoting
from tandem.ports.vectors import Vectors
from tandem.ports.versions import NOTHING_LEFT, Build, Carried, Left, Promotion


@dataclass(frozen=True, slots=True)
class KeptVersions:
    """Each method is the port's. What changes more than one thing is carried to its end once it began."""

    vectors: Vectors
    building: Building
    promoting: Promoting

    async def versions(self, collection: str, context: RequestContext) -> tuple[Version, ...]:
        """See the port."""
        del context
        return tuple([await self._counted(each) for each in await self.building.versions(collection)])

    async def _counted(self, version: Version) -> Version:
        try:
            counts = await self.vectors.counts(version.name)
        except UnknownCollection:
            # Dropped since it was listed.
            return version
        return replace(version, documents=counts.documents, chunks=counts.chunks)

    async def begin(
        self, collection: str, context: RequestContext, *, places: Sequence[Place] = (), anew: bool = False
    ) -> Build:
        """See the port."""
        return await finish(self.building.begin(collection, context, places, anew=anew))

    async def carry(
        self, version: str, context: RequestContext, *, left: Left = NOTHING_LEFT, after: str | None = None
    ) -> Carried:
        """See the port. Broken off, it is gone on with."""
        del context
        return await self.building.carry(version, left, after)

    async def finish(self, version: str, context: RequestContext) -> Version:
        """See the port."""
        del context
        return await finish(self.building.finish(version))

    async def promote(self, collection: str, wish: Promotion, context: RequestContext) -> Version:
        """See the port."""
        return await self.promoting.promote(collection, wish, context)

    async def rollback(self, collection: str, context: RequestContext, *, of: str | None = None) -> Version:
        """See the port."""
        del context
        return await finish(self.promoting.rollback(collection, of))

    async def drop(self, version: str, context: RequestContext) -> None:
        """See the port."""
        del context
        await self.building.version(version)
        await finish(self.vectors.drop_version(version))

    async def came_from(self, collection: str, places: Sequence[Place], context: RequestContext) -> None:
        """See the port."""
        await finish(self.building.came_from(collection, places, context))
