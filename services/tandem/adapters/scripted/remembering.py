"""What a synchronisation remembers, in memory."""

from collections.abc import Sequence
from dataclasses import replace

from tandem.domain.groups import EVERY_GROUP
from tandem.domain.syncing import Failure, FailurePage, StreamPosition
from tandem.domain.viewer import Viewer

_Key = tuple[str, str]


class Memory:
    """Failures and positions of one collection, each tenant's its own."""

    def __init__(self) -> None:
        self._failures: dict[_Key, Failure] = {}
        self._positions: dict[tuple[str, str, int], int] = {}

    def note(self, tenant: str, failure: Failure, position: StreamPosition | None = None) -> None:
        """Attempts are counted; a place once told is kept."""
        known = self._failures.get((tenant, failure.document_id))
        if known is not None and known.acl == failure.acl:
            failure = replace(failure, attempts=known.attempts + 1, place=failure.place or known.place)
        self._failures[tenant, failure.document_id] = failure
        self.reach(tenant, position)

    def forget(self, tenant: str, document_id: str, groups: tuple[str, ...] = (EVERY_GROUP,)) -> bool:
        """True when there was one that members of `groups` see."""
        known = self._failures.get((tenant, document_id))
        if known is not None and not Viewer(tenant, groups).sees(known.acl):
            return False
        return self._failures.pop((tenant, document_id), None) is not None

    def forget_all(self, tenant: str) -> None:
        """Failures and positions."""
        self._failures = {key: each for key, each in self._failures.items() if key[0] != tenant}
        self._positions = {key: each for key, each in self._positions.items() if key[0] != tenant}

    def page(self, viewer: Viewer, limit: int, after: str | None) -> FailurePage:
        """Ordered by id."""
        mine = {
            id_: one for (owner, id_), one in self._failures.items() if owner == viewer.tenant and viewer.sees(one.acl)
        }
        ids = sorted(id_ for id_ in mine if after is None or id_ > after)
        found = tuple(mine[id_] for id_ in ids[:limit])
        return FailurePage(found, ids[limit - 1] if len(ids) > limit else None)

    def reach(self, tenant: str, position: StreamPosition | None) -> None:
        """The event there has taken effect."""
        if position is not None:
            self._positions[tenant, position.stream, position.partition] = position.position

    def passed(self, tenant: str, position: StreamPosition | None) -> bool:
        """Whether that event has taken effect before."""
        if position is None:
            return False
        return self._positions.get((tenant, position.stream, position.partition), -1) >= position.position

    def reached(self, tenant: str, stream: str, partitions: Sequence[int]) -> dict[int, int]:
        """Of those that have a position."""
        keys = {each: (tenant, stream, each) for each in partitions}
        return {each: self._positions[key] for each, key in keys.items() if key in self._positions}

    def all(self) -> list[tuple[str, StreamPosition]]:
        """Every tenant's positions."""
        return [
            (tenant, StreamPosition(stream, partition, position))
            for (tenant, stream, partition), position in self._positions.items()
        ]
