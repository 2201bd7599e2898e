"""Versions of collections: built beside the one that serves, promoted through a gate, rolled back, kept for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.lineage import GoldenQuestion, Place, Version


@dataclass(frozen=True, slots=True)
class Build:
    """A version that is being built, and the places that the caller's documents are to be read from."""

    version: Version
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """What is not taken over from the version before: documents of places that were read anew (see `Listing`)."""

    origins: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()


NOTHING_LEFT = Left()


@dataclass(frozen=True, slots=True)
class Carried:
    """How far documents were taken over. `next_after` is where to go on, None at the end; `written` is of this call."""

    done: int
    total: int
    written: int
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What to promote, the newest complete version unless named, and by which questions to judge it, the configured ones
    unless some are given. `force` is a reason to promote what the gate refuses.
    """

    version: str | None = None
    golden: tuple[GoldenQuestion, ...] | None = None
    force: str | None = None


class Versions(Protocol):
    """Everything concerns a collection as a whole, with the documents of all its tenants, but `came_from`.

    Names are of collections (`docs`) where `collection` is asked for, of versions (`docs@3`) where `version` is. All raise
    `UnknownCollection` and `InvalidRequest`.
    """

    async def versions(self, collection: str, context: RequestContext) -> tuple[Version, ...]:
        """Oldest first, counted as of now; raises `UnknownCollection` where there is none."""
        ...

    async def begin(
        self, collection: str, context: RequestContext, *, places: Sequence[Place] = (), anew: bool = False
    ) -> Build:
        """The next version, made with this process's recipe; the one that is being built so already, unless `anew`.

        `places` replace those of the caller that the serving version came from. Nobody is served from it.
        """
        ...

    async def carry(
        self, version: str, context: RequestContext, *, left: Left = NOTHING_LEFT, after: str | None = None
    ) -> Carried:
        """Take documents over from the version it is built beside, some seconds' worth, embedded anew where the recipe
        differs. What it holds already is passed over; what is newer there comes again.
        """
        ...

    async def finish(self, version: str, context: RequestContext) -> Version:
        """It is complete: counted, indexed, and ready to be promoted."""
        ...

    async def promote(self, collection: str, wish: Promotion, context: RequestContext) -> Version:
        """Let the collection's name stand for a version, after taking over what was written meanwhile.

        Raises `PromotionRefused` when the gate holds it back, and `VersionConflict` when somebody else was faster.
        """
        ...

    async def rollback(self, collection: str, context: RequestContext, *, of: str | None = None) -> Version:
        """Back to the version that the serving one replaced, as it was then.

        Raises `VersionConflict` when it is another than `of` that serves, and when somebody else was faster.
        """
        ...

    async def drop(self, version: str, context: RequestContext) -> None:
        """Delete a version that does not serve, with everything in it."""
        ...

    async def came_from(self, collection: str, places: Sequence[Place], context: RequestContext) -> None:
        """Remember where the caller's documents in the serving version were read from."""
        ...
