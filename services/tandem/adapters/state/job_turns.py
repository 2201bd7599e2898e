"""Whose turn it is: the virtual time of a queue, and the turns of those who come."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update

from tandem.adapters.state.tables import JOB_TURNS, JOBS
from tandem.adapters.state.upserts import insert_of
from tandem.domain.job import WEIGHTS
from tandem.domain.tenants import Priority

_COLUMNS = JOBS.c
_BEHIND = JOB_TURNS.c


class Turns:
    """Gives turns within one transaction, each behind those of the same tenant and priority that wait already."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._virtual: dict[str, float] = {}
        # By flow, those that come again apart.
        self._last: dict[tuple[str, str, int, bool], float] = {}

    def give(self, row: Mapping[Any, Any]) -> float:
        """To one that can run from now on. One that was begun before goes behind its like, not behind those that never were."""
        flow = row["queue"], row["tenant"], row["priority"], row.get("started_at") is not None
        if flow not in self._last:
            self._last[flow] = max(self.virtual(row["queue"]), self._longest(*flow))
        self._last[flow] += 1.0 / (row["weight"] * WEIGHTS[Priority(row["priority"])])
        return self._last[flow]

    def virtual(self, queue: str) -> float:
        """How far the queue has come: in front of all who wait."""
        if queue not in self._virtual:
            known = self._connection.execute(select(_BEHIND.turn).where(_BEHIND.queue == queue)).scalar()
            if known is None:
                self._begin(queue)
            self._virtual[queue] = known or 0.0
        return self._virtual[queue]

    def _begin(self, queue: str) -> None:
        values = {"queue": queue, "turn": 0.0}
        self._connection.execute(
            insert_of(self._connection)(JOB_TURNS).values(values).on_conflict_do_nothing(index_elements=["queue"])
        )

    def _longest(self, queue: str, tenant: str, priority: int, again: bool) -> float:
        """By an index of its own for those that come again: they are few among many."""
        state = _COLUMNS.started_at.is_not(None) if again else _COLUMNS.ended_at.is_(None)
        last = (
            select(func.max(_COLUMNS.turn))
            .where(_COLUMNS.queue == queue, _COLUMNS.tenant == tenant, _COLUMNS.priority == priority)
            .where(state, _COLUMNS.turn.is_not(None))
        )
        return self._connection.execute(last).scalar() or 0.0


def advance(connection: Connection, reached: Iterable[tuple[str, float]]) -> None:
    """These turns were claimed: nobody who comes now goes before them."""
    # In one order, so that nobody waits for who waits for them.
    for queue, turn in sorted(reached):
        behind = _BEHIND.queue == queue, _BEHIND.turn < turn
        connection.execute(update(JOB_TURNS).where(*behind).values(turn=turn))
