"""Which versions of the configured collections serve, and since when; promotions are counted."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.lineage import Place, Version
from tandem.observe.metrics import Metrics
from tandem.ports.versions import NOTHING_LEFT, Build, Carried, Left, Promotion, Versions

# How old a version is matters by the hour.
_EVERY_S = 60.0


class MeasuredVersions:
    """`ports/versions.py` around another one; changes nothing but the metrics."""

    def __init__(self, inner: Versions, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def versions(self, collection: str, context: RequestContext) -> tuple[Version, ...]:
        """The inner one's."""
        return await self._inner.versions(collection, context)

    async def begin(
        self, collection: str, context: RequestContext, *, places: Sequence[Place] = (), anew: bool = False
    ) -> Build:
        """The inner one's."""
        return await self._inner.begin(collection, context, places=places, anew=anew)

    async def carry(
        self, version: str, context: RequestContext, *, left: Left = NOTHING_LEFT, after: str | None = None
    ) -> Carried:
        """The inner one's."""
        return await self._inner.carry(version, context, left=left, after=after)

    async def finish(self, version: str, context: RequestContext) -> Version:
        """The inner one's."""
        return await self._inner.finish(version, context)

    async def promote(self, collection: str, wish: Promotion, context: RequestContext) -> Version:
        """The inner one's, counted by how it ended."""
        try:
            promoted = await self._inner.promote(collection, wish, context)
        except TandemError as error:
            self._metrics.promotions.labels(error.code).inc()
            raise
        gates = promoted.lineage.gates
        self._metrics.promotions.labels("forced" if gates and gates[-1].forced is not None else "promoted").inc()
        return promoted

    async def rollback(self, collection: str, context: RequestContext, *, of: str | None = None) -> Version:
        """The inner one's, counted."""
        back = await self._inner.rollback(collection, context, of=of)
        self._metrics.promotions.labels("rolled_back").inc()
        return back

    async def drop(self, version: str, context: RequestContext) -> None:
        """The inner one's."""
        await self._inner.drop(version, context)

    async def came_from(self, collection: str, places: Sequence[Place], context: RequestContext) -> None:
        """The inner one's."""
        await self._inner.came_from(collection, places, context)


async def watch_versions(
    versions: Versions,
    collections: Collection[str],
    metrics: Metrics,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Keep number and age of what serves in the metrics, for ever. A collection that is not there has neither."""
    context = RequestContext("versions")
    while True:
        for collection in collections:
            try:
                found = await versions.versions(collection, context)
            except TandemError:
                continue
            for each in found:
                if each.state == "serving":
                    metrics.version.labels(collection).set(each.number)
                    metrics.version_promoted.labels(collection).set(each.lineage.promoted_at or 0.0)
        await pause(_EVERY_S)
