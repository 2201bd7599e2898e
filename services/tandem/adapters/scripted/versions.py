"""Versions in memory: what any keeper of them must do, without documents."""

from collections.abc import Sequence
from dataclasses import replace

from tandem.domain.context import RequestContext
from tandem.domain.document import Recipe
from tandem.domain.errors import InvalidRequest, PromotionRefused, TandemError, UnknownCollection, VersionConflict
from tandem.domain.lineage import GateResult, Lineage, Miss, Origin, Place, Version, base_of, told, version_named
from tandem.ports.versions import NOTHING_LEFT, Build, Carried, Left, Promotion

RECIPE = Recipe(embedder="none", dimensions=1, sparse="none", chunker="paragraphs")


class ScriptedVersions:
    """`failure` is raised by every promotion; `wishes` and `carries` keep what was asked for."""

    def __init__(self, failure: TandemError | None = None, *, epoch_s: float = 1_700_000_000.0) -> None:
        self._failure = failure
        self._epoch_s = epoch_s
        self._lineages: dict[str, Lineage] = {}
        self._serving: dict[str, str] = {}
        self.wishes: list[Promotion] = []
        self.carries: list[tuple[str, Left, str | None]] = []

    async def versions(self, collection: str, context: RequestContext) -> tuple[Version, ...]:
        """Oldest first."""
        del context
        base = base_of(collection)
        found = [(name, RECIPE, lineage) for name, lineage in self._lineages.items() if base_of(name) == base]
        if not found:
            raise UnknownCollection(f"There is no collection {collection!r}.", param="collection")
        return tuple(
            replace(each, documents=each.lineage.documents or 0, chunks=each.lineage.chunks or 0)
            for each in told(found, self._serving.get(base))
        )

    async def begin(
        self, collection: str, context: RequestContext, *, places: Sequence[Place] = (), anew: bool = False
    ) -> Build:
        """The one that is not finished, unless `anew`."""
        mine = [name for name in self._lineages if base_of(name) == collection]
        open_ = [name for name in mine if self._lineages[name].finished_at is None]
        name = open_[-1] if open_ and not anew else version_named(collection, len(mine) + 1)
        self._lineages[name] = Lineage(
            origins=tuple(Origin(context.tenant, place) for place in places),
            built_from=self._serving.get(collection),
            created_at=self._epoch_s,
        )
        return Build(Version(name, RECIPE, self._lineages[name], "building"), tuple(places))

    async def carry(
        self, version: str, context: RequestContext, *, left: Left = NOTHING_LEFT, after: str | None = None
    ) -> Carried:
        """Two documents, one a call."""
        await self._known(version, context)
        self.carries.append((version, left, after))
        return Carried(1, 2, 1, "default\nfirst ü") if after is None else Carried(1, 2, 1, None)

    async def finish(self, version: str, context: RequestContext) -> Version:
        """Of two documents."""
        found = await self._known(version, context)
        self._lineages[version] = replace(found.lineage, finished_at=self._epoch_s, documents=2, chunks=5)
        return await self._known(version, context)

    async def promote(self, collection: str, wish: Promotion, context: RequestContext) -> Version:
        """Golden questions are missed, all of them; without any it passes."""
        self.wishes.append(wish)
        if self._failure is not None:
            raise self._failure
        name = wish.version or (await self.versions(collection, context))[-1].name
        misses = tuple(Miss(each.question, each.document_ids) for each in wish.golden or ())
        refusals = ("recall@10 is 0.0000, below 0.5000",) if misses else ()
        gate = GateResult(
            self._epoch_s,
            len(misses),
            "recall@10",
            0.0,
            None,
            2,
            None,
            refusals,
            misses,
            wish.force if misses else None,
        )
        self._lineages[name] = replace((await self._known(name, context)).lineage, gates=(gate,))
        if refusals and wish.force is None:
            raise PromotionRefused(f"{name} is held back: {refusals[0]}.", hint="Look at it.", param="version")
        replaced, self._serving[collection] = self._serving.get(collection), name
        self._lineages[name] = replace(self._lineages[name], replaced=replaced, promoted_at=self._epoch_s)
        return await self._known(name, context)

    async def rollback(self, collection: str, context: RequestContext, *, of: str | None = None) -> Version:
        """To what was replaced."""
        serving = self._serving.get(collection, collection)
        if of is not None and serving != of:
            raise VersionConflict(f"{serving} serves.")
        back = (await self._known(serving, context)).lineage.replaced
        if back is None:
            raise InvalidRequest(f"{collection} has nothing to go back to.", param="collection")
        self._serving[collection] = back
        return await self._known(back, context)

    async def drop(self, version: str, context: RequestContext) -> None:
        """Unless it serves."""
        if (await self._known(version, context)).state == "serving":
            raise InvalidRequest(f"{version} serves.", hint="Promote another one.", param="collection")
        del self._lineages[version]

    async def came_from(self, collection: str, places: Sequence[Place], context: RequestContext) -> None:
        """Noted for the one that serves."""
        found = await self._known(self._serving.get(collection, collection), context)
        origins = tuple(Origin(context.tenant, place) for place in places)
        self._lineages[found.name] = replace(found.lineage, origins=origins)

    async def _known(self, version: str, context: RequestContext) -> Version:
        for each in await self.versions(version, context):
            if each.name == version:
                return each
        raise UnknownCollection(f"There is no version {version!r}.", param="collection")
