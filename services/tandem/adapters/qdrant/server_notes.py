"""What a Qdrant server keeps with a collection beside its points: recipe and lineage, in the collection's metadata."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from tandem.adapters.qdrant.connection import Connection
from tandem.adapters.qdrant.lineages import lineage_of, lineage_text
from tandem.adapters.qdrant.recipes import RecipeWire
from tandem.domain.document import Recipe
from tandem.domain.errors import StoreMismatch, UpstreamUnavailable
from tandem.domain.lineage import Lineage

_RECIPE = "tandem"
_LINEAGE = "tandem_lineage"
# A version's recipe never changes, but the version may be dropped with its collection, and made again otherwise.
_KEPT_S = 10.0
_MOST_KEPT = 256
# A search has no time to wait longer for what hardly ever changes.
_PATIENCE_S = 0.25


class ServerNotes:
    """`recipe` asks the server, `recent_recipe` no more often than every ten seconds."""

    def __init__(self, connection: Connection, now_s: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._now_s = now_s
        self._kept: dict[str, tuple[float, Recipe]] = {}
        self._looking = asyncio.Lock()

    async def made_here(self, name: str) -> bool:
        """False for a collection of someone else."""
        return await self._note(name, _RECIPE) is not None

    async def recipe(self, name: str, within_s: float | None = None) -> Recipe:
        """Raises `StoreMismatch` for a collection of someone else."""
        at_s = self._now_s()
        try:
            found = RecipeWire.model_validate(await self._note(name, _RECIPE, within_s)).recipe()
        except ValidationError as error:
            raise StoreMismatch(
                f"The collection {name} on the Qdrant server was not made by Tandem.",
                hint="Use another name, or delete that collection.",
                param="collection",
            ) from error
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[name] = at_s, found
        return found

    async def recent_recipe(self, name: str) -> Recipe:
        """As it was ten seconds ago at most; while the server is away, as it was known last: whether it is, a search tells."""
        if self._young(name):
            return self._kept[name][1]
        async with self._looking:
            # Who waited while another one looked has what that one saw.
            if self._young(name):
                return self._kept[name][1]
            if name not in self._kept:
                return await self.recipe(name)
            try:
                return await self.recipe(name, _PATIENCE_S)
            except UpstreamUnavailable:
                known = self._kept[name][1]
                # For another while, so that not everybody waits for a server that says nothing.
                self._kept[name] = self._now_s(), known
                return known

    def _young(self, name: str) -> bool:
        return name in self._kept and self._now_s() - self._kept[name][0] < _KEPT_S

    async def lineage(self, name: str) -> Lineage:
        """Empty where none was kept."""
        return lineage_of(await self._note(name, _LINEAGE), name)

    def forget(self, name: str) -> None:
        """The collection is gone."""
        self._kept.pop(name, None)

    async def _note(self, name: str, key: str, within_s: float | None = None) -> Any:
        """A value of the collection's metadata, None where there is none."""
        found = await self._connection.read(lambda client: client.get_collection(name), name, within_s)
        return (found.config.metadata or {}).get(key)


def first_notes(recipe: Recipe, lineage: Lineage) -> dict[str, Any]:
    """The metadata of a collection that is made now."""
    return {_RECIPE: asdict(recipe), **lineage_note(lineage)}


def lineage_note(lineage: Lineage) -> dict[str, Any]:
    """As text: the server merges what is an object, so nothing could be taken out of it."""
    return {_LINEAGE: lineage_text(lineage)}
