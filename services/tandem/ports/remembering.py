"""What a store remembers for synchronisations, beside the documents themselves."""

from collections.abc import Sequence
from typing import Protocol

from tandem.domain.syncing import DocumentMark, Failure, FailurePage, StreamPosition
from tandem.domain.viewer import Viewer


class Remembering(Protocol):
    """Part of `ports/vectors.py`. All calls raise `UnknownCollection`; writes are durable when they return."""

    async def marks(self, collection: str, viewer: Viewer) -> list[DocumentMark]:
        """One for each document that the viewer sees, in no order; `version` as it was stored. Far cheaper than the records."""
        ...

    async def note_failure(
        self, collection: str, tenant: str, failure: Failure, position: StreamPosition | None = None
    ) -> None:
        """Remember it until the document is put or deleted. `attempts` is counted here, and a place once told is kept, as
        long as the same groups may see it.

        With a `position`, that has taken effect in the same moment.
        """
        ...

    async def failures(self, collection: str, viewer: Viewer, *, limit: int, after: str | None = None) -> FailurePage:
        """Ordered by document id, those after `after`."""
        ...

    async def forget_failure(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> bool:
        """True when there was one."""
        ...

    async def positions(self, collection: str, tenant: str, stream: str, partitions: Sequence[int]) -> dict[int, int]:
        """The last position that has taken effect, of the partitions that have one."""
        ...

    async def all_positions(self, collection: str) -> list[tuple[str, StreamPosition]]:
        """Of every tenant and stream, in no order: they go along to the next version."""
        ...

    async def note_position(self, collection: str, tenant: str, position: StreamPosition) -> None:
        """An event has taken effect, or had nothing to do."""
        ...
