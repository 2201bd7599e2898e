"""The part of `Vectors` in memory that remembers failures and positions of streams."""

from abc import abstractmethod
from collections.abc import Sequence

from tandem.adapters.scripted.remembering import Memory
from tandem.domain.syncing import Failure, FailurePage, StreamPosition
from tandem.domain.viewer import Viewer


class Noting:
    """Each method is the port's."""

    @abstractmethod
    def _memory(self, collection: str) -> Memory:
        """Raises `UnknownCollection`."""

    async def note_failure(
        self, collection: str, tenant: str, failure: Failure, position: StreamPosition | None = None
    ) -> None:
        """See `Memory`."""
        self._memory(collection).note(tenant, failure, position)

    async def failures(self, collection: str, viewer: Viewer, *, limit: int, after: str | None = None) -> FailurePage:
        """See `Memory`."""
        return self._memory(collection).page(viewer, limit, after)

    async def forget_failure(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> bool:
        """See `Memory`."""
        return self._memory(collection).forget(tenant, document_id, groups)

    async def positions(self, collection: str, tenant: str, stream: str, partitions: Sequence[int]) -> dict[int, int]:
        """See `Memory`."""
        return self._memory(collection).reached(tenant, stream, partitions)

    async def all_positions(self, collection: str) -> list[tuple[str, StreamPosition]]:
        """Every tenant's."""
        return self._memory(collection).all()

    async def note_position(self, collection: str, tenant: str, position: StreamPosition) -> None:
        """See `Memory`."""
        self._memory(collection).reach(tenant, position)
