"""`ports/versions.py` where nobody keeps versions: in a process that only puts documents."""

from collections.abc import Sequence
from typing import NoReturn

from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest
from tandem.domain.lineage import Place, Version
from tandem.ports.versions import NOTHING_LEFT, Build, Carried, Left, Promotion


class UnkeptVersions:
    """All calls raise `InvalidRequest`; where documents came from is forgotten."""

    async def versions(self, collection: str, context: RequestContext) -> tuple[Version, ...]:
        """None are kept."""
        del context
        _refuse(collection)

    async def begin(
        self, collection: str, context: RequestContext, *, places: Sequence[Place] = (), anew: bool = False
    ) -> Build:
        """None are kept."""
        del context, places, anew
        _refuse(collection)

    async def carry(
        self, version: str, context: RequestContext, *, left: Left = NOTHING_LEFT, after: str | None = None
    ) -> Carried:
        """None are kept."""
        del context, left, after
        _refuse(version)

    async def finish(self, version: str, context: RequestContext) -> Version:
        """None are kept."""
        del context
        _refuse(version)

    async def promote(self, collection: str, wish: Promotion, context: RequestContext) -> Version:
        """None are kept."""
        del wish, context
        _refuse(collection)

    async def rollback(self, collection: str, context: RequestContext, *, of: str | None = None) -> Version:
        """None are kept."""
        del context, of
        _refuse(collection)

    async def drop(self, version: str, context: RequestContext) -> None:
        """None are kept."""
        del context
        _refuse(version)

    async def came_from(self, collection: str, places: Sequence[Place], context: RequestContext) -> None:
        """Forgotten."""


def _refuse(name: str) -> NoReturn:
    raise InvalidRequest(f"Versions of {name[:80]!r} are not kept here.", param="collection")
