"""The versions of the collections over either engine: found by name, made, promoted, and taken away."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from tandem.adapters.qdrant.engine import Engine
from tandem.adapters.qdrant.naming import checked, unknown
from tandem.domain.document import Recipe
from tandem.domain.errors import InvalidRequest, StoreMismatch, TandemError, UnknownCollection, UpstreamFailed
from tandem.domain.lineage import Lineage, Version, base_of, is_version, number_of, told, valid_base, version_named


class Shelf:
    """What of the port concerns versions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._first = asyncio.Lock()
        self._changing = asyncio.Lock()

    async def resolve(self, name: str, *, fresh: bool = False) -> str:
        """See the port. A version's own name is taken as it is: what is done with it then finds out."""
        if is_version(name):
            return name
        if not valid_base(name):
            raise unknown(name)
        found = (await self._engine.serving(fresh=fresh)).get(name)
        if found is None and not fresh:
            found = (await self._engine.serving(fresh=True)).get(name)
        if found is None and await self._adopted(name):
            found = (await self._engine.serving(fresh=True)).get(name)
        if found is None:
            raise unknown(name)
        return found

    async def _adopted(self, base: str) -> bool:
        try:
            return await self._engine.adopt(base)
        except UnknownCollection:
            return False

    async def ensure(self, name: str, recipe: Recipe, lineage: Lineage) -> str:
        """See the port."""
        version = name if is_version(name) else await self._serving_or_first(checked(name), recipe, lineage)
        found = await self._engine.recipe(version)
        if found != recipe:
            raise StoreMismatch(
                f"The collection {version} was built otherwise: {_difference(found, recipe)}.",
                hint=f"Build the next version with `tandem collections build {base_of(name)}` and promote it, or set back "
                "what was changed.",
                param="collection",
            )
        return version

    async def _serving_or_first(self, base: str, recipe: Recipe, lineage: Lineage) -> str:
        try:
            return await self.resolve(base, fresh=True)
        except UnknownCollection:
            pass
        # Shards of one ingest begin at the same moment: one of them makes it, the others find it made.
        async with self._first:
            return await self._first_version(base, recipe, lineage)

    async def _first_version(self, base: str, recipe: Recipe, lineage: Lineage) -> str:
        try:
            return await self.resolve(base, fresh=True)
        except UnknownCollection:
            pass
        # The first version was made and the process died before its name stood for it; or others are being built.
        version, made = version_named(base, await self._next_number(base)), False
        for each in await self.versions(base):
            if each.state == "ready" and each.recipe == recipe and each.lineage.promoted_at is not None:
                version = each.name
                break
        else:
            made = await self._made(version, recipe, lineage)
        try:
            await self._engine.point(base, version, None)
        except TandemError:
            # Somebody else was as quick: theirs is the one.
            serving = await self.resolve(base, fresh=True)
            if made and serving != version:
                # Nobody was served from it, so nobody has written to it, nor will; left where it is, it does no harm.
                with contextlib.suppress(TandemError):
                    await self.drop(version)
            return serving
        return version

    async def _made(self, version: str, recipe: Recipe, lineage: Lineage) -> bool:
        """False when somebody else made it at the same moment."""
        try:
            await self._engine.create(version, recipe, lineage)
        except UpstreamFailed:
            if version not in await self._engine.names():
                raise
            return False
        return True

    async def create(self, base: str, recipe: Recipe, lineage: Lineage) -> str:
        """See the port."""
        version = version_named(checked(base), await self._next_number(base))
        await self._engine.create(version, recipe, lineage)
        return version

    async def versions(self, base: str) -> tuple[Version, ...]:
        """See the port."""
        names = [name for name in await self._engine.names() if base_of(name) == base]
        serving = (await self._engine.serving(fresh=True)).get(base)
        return told(
            [(name, await self._engine.recipe(name), await self._engine.lineage(name)) for name in names], serving
        )

    async def serve(self, version: str, instead_of: str | None) -> None:
        """See the port."""
        await self._engine.point(base_of(version), version, instead_of)

    async def change_lineage(self, version: str, change: Callable[[Lineage], Lineage]) -> Lineage:
        """See the port. Shards of one ingest end at the same moment, and a promotion may come between."""
        async with self._changing:
            found = await self._engine.lineage(version)
            changed = change(found)
            if changed != found:
                await self._engine.keep_lineage(version, changed)
            return changed

    async def drop(self, version: str) -> None:
        """See the port."""
        base = base_of(version)
        await self._engine.recipe(version)
        serving = (await self._engine.serving(fresh=True)).get(base)
        if version == serving:
            raise InvalidRequest(
                f"{version} is what {base} stands for.",
                hint=f"Promote or roll back first, or drop {base} as a whole.",
                param="collection",
            )
        if serving is not None:
            await self._remember(serving, number_of(version))
        await self._engine.drop(version)

    async def _remember(self, serving: str, number: int) -> None:
        """Numbers are not given twice: what was cached of a version must not be taken for another one's."""
        await self.change_lineage(serving, lambda found: replace(found, spent=max(found.spent, number)))

    async def drop_all(self, base: str) -> None:
        """Every version, and the name with them."""
        await self._engine.withdraw(base)
        for name in [name for name in await self._engine.names() if base_of(name) == base]:
            await self._engine.drop(name)

    async def names(self) -> list[str]:
        """All versions of all collections."""
        return await self._engine.names()

    async def _next_number(self, base: str) -> int:
        found = await self.versions(base)
        return max((max(each.number, each.lineage.spent) for each in found), default=0) + 1


def _difference(found: Recipe, wanted: Recipe) -> str:
    return ", ".join(
        f"{field} is {getattr(found, field)}, configured is {getattr(wanted, field)}"
        for field in ("embedder", "dimensions", "sparse", "chunker")
        if getattr(found, field) != getattr(wanted, field)
    )
