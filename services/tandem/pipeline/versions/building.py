"""The next version of a collection, made beside the one that serves; stopped at any moment, it goes on from there."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.document import DocumentRecord, Recipe
from tandem.domain.errors import InvalidRequest, UnknownCollection
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import Lineage, Origin, Place, Version, base_of, is_version, valid_base
from tandem.domain.viewer import overseer
from tandem.pipeline.versions.carrying import Carrying
from tandem.ports.clock import Clock
from tandem.ports.vectors import Vectors
from tandem.ports.versions import Build, Carried, Left

_PAGE = 200
# One call takes about so long, so that its caller sees it go on and no server in between gives up.
_AT_A_TIME_S = 3.0
# How many places a tenant's lineage remembers, and how long one may be.
_MOST_PLACES = 100
_LONGEST_PLACE = 2_000
_JOINT = "\n"


@dataclass(frozen=True, slots=True)
class Building:
    """What of `ports/versions.py` makes versions. `parts` goes into their lineage beside the recipe."""

    vectors: Vectors
    carrying: Carrying
    clock: Clock
    recipe: Recipe
    parts: tuple[tuple[str, str], ...]

    async def versions(self, collection: str) -> tuple[Version, ...]:
        """Raises `UnknownCollection` where there is none."""
        base = base_of(collection)
        found = await self.vectors.versions(base) if valid_base(base) else ()
        if not found:
            raise UnknownCollection(
                f"There is no collection {collection[:80]!r}.",
                hint="`tandem collections list` shows those there are.",
                param="collection",
            )
        return found

    async def version(self, name: str) -> Version:
        """Raises `UnknownCollection`, and `InvalidRequest` for the name of a collection as a whole."""
        if not is_version(name):
            raise InvalidRequest(
                f"{name[:80]!r} names no version.", hint="Name one, such as docs@2.", param="collection"
            )
        for each in await self.versions(name):
            if each.name == name:
                return each
        raise UnknownCollection(
            f"There is no version {name}.", hint=f"`tandem collections versions {base_of(name)}` shows those there are.",
            param="collection",
        )  # fmt: skip

    async def begin(self, collection: str, context: RequestContext, places: Sequence[Place], *, anew: bool) -> Build:
        """See the port."""
        known = await self.vectors.versions(collection)
        serving = next((each for each in known if each.state == "serving"), None)
        before = None if serving is None else serving.name
        building = None if anew else self._going_on(known, before)
        lineage = _lineage(building or serving)
        if places:
            lineage = _from(lineage, context.tenant, places)
        if before is None and not lineage.origins:
            raise InvalidRequest(
                f"There is nothing to build {collection[:80]!r} from.",
                hint="Name the places that its documents are read from.",
                param="places",
            )
        if building is None:
            lineage = Lineage(
                origins=lineage.origins, parts=self.parts, built_from=before, created_at=self.clock.epoch_s()
            )
            name = await self.vectors.create_version(collection, self.recipe, lineage)
        else:
            name = building.name
            if places:
                lineage = await self.vectors.change_lineage(name, lambda found: _from(found, context.tenant, places))
        return Build(Version(name, self.recipe, lineage, "building"), _places(lineage, context.tenant))

    def _going_on(self, known: Sequence[Version], before: str | None) -> Version | None:
        fitting = (
            each
            for each in reversed(known)
            if each.state == "building" and each.recipe == self.recipe and each.lineage.built_from == before
        )
        return next(fitting, None)

    async def carry(self, version: str, left: Left, after: str | None) -> Carried:
        """See the port."""
        target = await self.version(version)
        if target.state not in {"building", "ready"}:
            raise InvalidRequest(
                f"{version} is {target.state}: it takes over nothing any more.",
                hint="Build the next version instead.",
                param="collection",
            )
        if target.lineage.built_from is None:
            return Carried(0, 0, 0, None)
        source = await self.version(target.lineage.built_from)
        until_s = self.clock.monotonic_s() + _AT_A_TIME_S
        everyone = await self.vectors.tenants(source.name)
        total = sum([len(await self.vectors.marks(source.name, overseer(each))) for each in everyone])
        done = written = 0
        last: str | None = after
        async for tenant, record in self._documents(source.name, everyone, after):
            if not _stays(record, left):
                written += await self._taken(source, target.name, tenant, record)
            done += 1
            last = f"{tenant}{_JOINT}{record.id}"
            if self.clock.monotonic_s() >= until_s:
                return Carried(done, total, written, last)
        return Carried(done, total, written, None)

    async def catch_up(self, source: Version, target: Version) -> int:
        """Take over what was written into `source` since `target` was begun; how many documents that were."""
        since = target.lineage.created_at or 0.0
        written = 0
        # What has taken effect by now is among the documents below; what comes later, comes again.
        positions = await self.vectors.all_positions(source.name)
        for tenant in await self.vectors.tenants(source.name):
            async for _, record in self._documents(source.name, [tenant], None):
                if record.ingested_at >= since:
                    written += await self._taken(source, target.name, tenant, record)
        for tenant, position in positions:
            stream, partition = position.stream, position.partition
            there = await self.vectors.positions(target.name, tenant, stream, (partition,))
            if there.get(partition, -1) < position.position:
                await self.vectors.note_position(target.name, tenant, position)
        return written

    async def _taken(self, source: Version, target: str, tenant: str, record: DocumentRecord) -> bool:
        """False when the target holds it as new or newer."""
        there = await self.vectors.record(target, tenant, record.id, groups=(EVERY_GROUP,))
        if there is not None and there.ingested_at >= record.ingested_at:
            return False
        await self.carrying.carry(source.name, source.recipe, target, tenant, record)
        return True

    async def _documents(
        self, version: str, tenants: Sequence[str], after: str | None
    ) -> AsyncIterator[tuple[str, DocumentRecord]]:
        """Of these tenants, in order of tenant and id, those after the cursor."""
        reached, _, document = (after or "").partition(_JOINT)
        for tenant in tenants:
            if tenant < reached:
                continue
            start: str | None = document if after is not None and tenant == reached else None
            while True:
                page = await self.vectors.documents(version, tenant, limit=_PAGE, after=start, groups=(EVERY_GROUP,))
                for record in page.records:
                    yield tenant, record
                start = page.next_after
                if start is None:
                    break

    async def finish(self, version: str) -> Version:
        """See the port. Finished again, it is counted again."""
        found = await self.version(version)
        if found.state not in {"building", "ready"}:
            raise InvalidRequest(
                f"{version} is {found.state}.", hint="Build the next version instead.", param="collection"
            )
        await self.vectors.optimize(version)
        marks = [
            mark
            for tenant in await self.vectors.tenants(version)
            for mark in await self.vectors.marks(version, overseer(tenant))
        ]
        now_s, chunks = self.clock.epoch_s(), sum(mark.chunks for mark in marks)
        lineage = await self.vectors.change_lineage(
            version, lambda found: replace(found, finished_at=now_s, documents=len(marks), chunks=chunks)
        )
        return replace(found, lineage=lineage, state="ready")

    async def came_from(self, collection: str, places: Sequence[Place], context: RequestContext) -> None:
        """See the port. Those known before are kept."""

        def together(found: Lineage) -> Lineage:
            known = _places(found, context.tenant)
            # Read again with other labels, a place has those from now on.
            every = tuple({place.where: place for place in (*known, *places)}.values())[:_MOST_PLACES]
            return found if every == known else _from(found, context.tenant, every)

        await self.vectors.change_lineage(await self.vectors.resolve(collection), together)


def _lineage(version: Version | None) -> Lineage:
    return Lineage() if version is None else version.lineage


def _places(lineage: Lineage, tenant: str) -> tuple[Place, ...]:
    return tuple(origin.place for origin in lineage.origins if origin.tenant == tenant)


def _from(lineage: Lineage, tenant: str, places: Sequence[Place]) -> Lineage:
    """The lineage with these places for the tenant's. Raises `InvalidRequest` for what is too much to keep."""
    if len(places) > _MOST_PLACES or any(not 0 < len(place.where) <= _LONGEST_PLACE for place in places):
        raise InvalidRequest(
            f"These cannot be a collection's places: at most {_MOST_PLACES}, of 1 to {_LONGEST_PLACE} characters each.",
            param="places",
        )
    others = tuple(origin for origin in lineage.origins if origin.tenant != tenant)
    return replace(
        lineage, origins=(*others, *(Origin(tenant, place) for place in {each.where: each for each in places}.values()))
    )


def _stays(record: DocumentRecord, left: Left) -> bool:
    """True for a document of a place that was read anew: had it still been there, it would have been put."""
    if record.origin is not None:
        return record.origin in left.origins
    return bool(left.roots) and record.source.startswith(left.roots)
