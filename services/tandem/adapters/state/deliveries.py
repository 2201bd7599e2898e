"""Messages about jobs in a table."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, select, update

from tandem.adapters.state.database import Database
from tandem.adapters.state.job_rows import job_of
from tandem.adapters.state.plain import plain
from tandem.adapters.state.tables import JOB_MESSAGES, JOBS
from tandem.ports.clock import Clock
from tandem.ports.deliveries import MAX_PAGE, Delivery, DeliveryState

_COLUMNS = JOB_MESSAGES.c
_STATES = select(JOB_MESSAGES, JOBS.c.callback_url).join(JOBS, JOBS.c.id == _COLUMNS.job_id)


class StoredDeliveries:
    """`ports/deliveries.py` over SQLite or PostgreSQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, most: int, lease_s: float, *, but: Collection[str] = ()) -> tuple[Delivery, ...]:
        """Those that others are just claiming are passed over."""
        now, token, names = self._clock.epoch_s(), uuid4().hex, list(map(plain, but))
        return await self._database.write(lambda connection: _claim(connection, most, now, now + lease_s, token, names))

    async def delivered(self, delivery: Delivery) -> bool:
        """One statement."""
        return await self._said(delivery, status="delivered", problem="", due_at=None, ended_at=self._clock.epoch_s())

    async def failed(self, delivery: Delivery, problem: str, again_at: float | None) -> bool:
        """One statement."""
        if again_at is None:
            now = self._clock.epoch_s()
            return await self._said(delivery, status="dead", problem=plain(problem), due_at=None, ended_at=now)
        return await self._said(delivery, problem=plain(problem), due_at=again_at)

    async def state(self, tenant: str, job_id: str) -> DeliveryState | None:
        """By the primary key."""
        query = _STATES.where(_COLUMNS.job_id == plain(job_id), _COLUMNS.tenant == plain(tenant))
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _state(row)

    async def dead(self, tenant: str, *, limit: int) -> list[DeliveryState]:
        """By the index on when they ended."""
        query = _STATES.where(_COLUMNS.tenant == plain(tenant), _COLUMNS.status == "dead")
        query = query.order_by(_COLUMNS.ended_at.desc(), _COLUMNS.job_id.desc()).limit(min(limit, MAX_PAGE))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return list(map(_state, rows))

    async def again(self, tenant: str, job_id: str) -> bool:
        """One statement."""
        now = self._clock.epoch_s()
        dead = _COLUMNS.job_id == plain(job_id), _COLUMNS.tenant == plain(tenant), _COLUMNS.status == "dead"
        statement = update(JOB_MESSAGES).where(*dead).values(status="pending", attempts=0, due_at=now, ended_at=None)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def _said(self, delivery: Delivery, **values: Any) -> bool:
        mine = _COLUMNS.job_id == delivery.job.id, _COLUMNS.token == delivery.token
        statement = update(JOB_MESSAGES).where(*mine).values(token=None, **values)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)


def _claim(
    connection: Connection, most: int, now: float, until: float, token: str, but: Sequence[str]
) -> tuple[Delivery, ...]:
    due = select(_COLUMNS.job_id, _COLUMNS.attempts).where(_COLUMNS.due_at <= now, _COLUMNS.tenant.not_in(but))
    due = due.order_by(_COLUMNS.due_at, _COLUMNS.job_id).limit(most).with_for_update(skip_locked=True)
    attempts: dict[str, int] = {job_id: known + 1 for job_id, known in connection.execute(due)}
    if not attempts:
        return ()
    ids: Sequence[str] = list(attempts)
    values = {"attempts": _COLUMNS.attempts + 1, "due_at": until, "token": token}
    connection.execute(update(JOB_MESSAGES).where(_COLUMNS.job_id.in_(ids)).values(values))
    jobs = {row.id: job_of(row) for row in connection.execute(select(JOBS).where(JOBS.c.id.in_(ids)))}
    return tuple(Delivery(jobs[job_id], attempts[job_id], token) for job_id in ids)


def _state(row: Row[Any]) -> DeliveryState:
    return DeliveryState(row.job_id, row.callback_url, row.status, row.attempts, row.problem, row.ended_at)
