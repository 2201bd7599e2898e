"""Who runs which jobs until when, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    bindparam,
    func,
    or_,
    select,
    update,
)

from tandem.adapters.state.job_ending import end, void, write_events
from tandem.adapters.state.job_rows import job_of
from tandem.adapters.state.job_turns import Turns, advance
from tandem.adapters.state.tables import JOBS
from tandem.domain.job import Lease
from tandem.domain.job_events import CANCELLED, EXPIRED, LAPSED, begun, put_back

_COLUMNS = JOBS.c
# So many are woken or found expired by one claim: the next one goes on.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Due:
    """Which kinds of work a claim would find; what becomes due a moment later is the next one's."""

    waking: bool
    expired: bool
    lapsed: bool
    ready: bool

    def __bool__(self) -> bool:
        """False when there is nothing to claim."""
        return self.waking or self.expired or self.lapsed or self.ready


def look(connection: Connection, now: float, queues: Sequence[str]) -> Due:
    """One statement that holds up nobody: most looks of an idle worker find nothing.

    Each is the first entry of an index, whatever the database believes of the table.
    """
    ready = [_first(_COLUMNS.turn, _COLUMNS.queue == queue) for queue in queues]
    kinds = (
        _first(_COLUMNS.wake_at),
        _first(_COLUMNS.expires_at, _COLUMNS.ended_at.is_(None), _COLUMNS.lease_until.is_(None)),
        _first(_COLUMNS.lease_until),
    )
    wakes, expires, lapses, *turns = connection.execute(select(*kinds, *ready)).one()
    waking, expired, lapsed = (at is not None and at <= now for at in (wakes, expires, lapses))
    return Due(waking, expired, lapsed, any(turn is not None for turn in turns))


def _first(column: Column[Any], *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.min(column)).where(column.is_not(None), *conditions).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Claim:
    """What one worker asks for, at an instant (seconds since 1970)."""

    worker: str
    token: str
    most: int
    now: float
    until: float
    queues: Sequence[str]
    due: Due

    def __call__(self, connection: Connection) -> tuple[Lease, ...]:
        """Within a transaction. Rows that others hold are passed over: they are being claimed."""
        if self.due.waking:
            self._wake(connection)
        if self.due.expired:
            self._expire(connection)
        again = self._lapsed(connection) if self.due.lapsed else []
        first: list[Row[Any]] = []
        for queue in self.queues:
            if (room := self.most - len(again) - len(first)) > 0:
                first += connection.execute(_held(_next(queue, self.now).limit(room)))
        if not again and not first:
            return ()
        self._lease(connection, [row.id for row in (*again, *first)])
        leases = tuple(self._leased(row) for row in (*again, *first))
        write_events(connection, {row.id: [put_back(LAPSED)] for row in again}, self.now)
        void(connection, [row.id for row in again])
        write_events(connection, {lease.job.id: [begun(lease.job.attempts)] for lease in leases}, self.now)
        advance(connection, {row.queue: row.turn for row in first}.items())
        return leases

    def _wake(self, connection: Connection) -> None:
        due = select(JOBS).where(_COLUMNS.wake_at <= self.now).order_by(_COLUMNS.wake_at).limit(_AT_ONCE)
        rows = connection.execute(_held(due)).mappings().all()
        if not rows:
            return
        turns = Turns(connection)
        given = [{"woken": row["id"], "turn": turns.give(row)} for row in rows]
        statement = update(JOBS).where(_COLUMNS.id == bindparam("woken")).values(turn=bindparam("turn"), wake_at=None)
        connection.execute(statement, given)

    def _expire(self, connection: Connection) -> None:
        over = select(_COLUMNS.id, _COLUMNS.tenant, _COLUMNS.callback_url).where(
            _COLUMNS.expires_at <= self.now, _COLUMNS.ended_at.is_(None), _COLUMNS.lease_until.is_(None)
        )
        over = over.order_by(_COLUMNS.expires_at)
        end(connection, connection.execute(_held(over.limit(_AT_ONCE))).all(), EXPIRED, self.now)

    def _lapsed(self, connection: Connection) -> list[Row[Any]]:
        """Those to be run again; the others are ended."""
        over = select(JOBS).where(_COLUMNS.lease_until <= self.now, _COLUMNS.queue.in_(self.queues))
        rows = connection.execute(_held(over.order_by(_COLUMNS.lease_until).limit(self.most))).all()
        stopped = [row for row in rows if row.stop_at is not None]
        going = [row for row in rows if row.stop_at is None]
        end(connection, stopped, CANCELLED, self.now)
        end(connection, [row for row in going if self._late(row)], EXPIRED, self.now)
        return [row for row in going if not self._late(row)]

    def _late(self, row: Row[Any]) -> bool:
        return row.expires_at is not None and row.expires_at <= self.now

    def _lease(self, connection: Connection, ids: Sequence[str]) -> None:
        values = {
            "status": "running",
            "turn": None,
            "worker": self.worker,
            "lease_token": self.token,
            "lease_until": self.until,
            "attempts": _COLUMNS.attempts + 1,
            "started_at": func.coalesce(_COLUMNS.started_at, self.now),
        }
        connection.execute(update(JOBS).where(_COLUMNS.id.in_(ids)).values(values))

    def _leased(self, row: Row[Any]) -> Lease:
        job = job_of(row)
        began = self.now if job.started_at is None else job.started_at
        running = replace(job, status="running", attempts=job.attempts + 1, started_at=began)
        return Lease(running, self.token, self.until)


def _next(queue: str, now: float) -> Select[Any]:
    ready = select(JOBS).where(
        _COLUMNS.queue == queue,
        _COLUMNS.turn.is_not(None),
        # More may expire together than are ended at once.
        or_(_COLUMNS.expires_at.is_(None), _COLUMNS.expires_at > now),
    )
    return ready.order_by(_COLUMNS.turn, _COLUMNS.id)


def _held(query: Select[Any]) -> Select[Any]:
    return query.with_for_update(skip_locked=True)
