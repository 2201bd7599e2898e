"""The queue of jobs in tables."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, select, tuple_, update

from tandem.adapters.state.database import Database
from tandem.adapters.state.job_claiming import Claim, look
from tandem.adapters.state.job_ending import IDLE, end, void, write_events
from tandem.adapters.state.job_rows import SHOWN, job_of
from tandem.adapters.state.job_submitting import Submitting
from tandem.adapters.state.job_turns import Turns
from tandem.adapters.state.plain import plain
from tandem.adapters.state.tables import JOB_EVENTS, JOBS
from tandem.adapters.state.tenants import tenants_of
from tandem.domain.errors import DocumentRejected
from tandem.domain.job import ANSWERS, Job, JobEvent, Lease, Outcome
from tandem.domain.job_events import CANCELLED, put_back
from tandem.domain.tenants import Priority
from tandem.ports.clock import Clock
from tandem.ports.jobs import MAX_PAGE, MAX_SUBMIT, Depth, JobCursor, JobFilter, JobPage, Latest

_COLUMNS = JOBS.c
_EVENTS = JOB_EVENTS.c
# What is looked at before something happens to a job.
_HELD: Sequence[ColumnElement[Any]] = [
    _COLUMNS[name] for name in ("id", "tenant", "queue", "callback_url", "stop_at", "attempts")
]
# So many are deleted in one transaction: others are let in between.
_FORGET_AT_ONCE = 500
# A statement takes so many names and some more.
_LATEST_AT_ONCE = 1_000


class StoredJobs:
    """`ports/jobs.py` over SQLite or PostgreSQL. No library at hand is fair across tenants and ends each job once: procrastinate
    and PgQueuer know PostgreSQL alone, huey's workers hold no leases, SAQ has no SQLite.

    Instants are the clock's: those who share a queue have to agree on the time
    to within a part of their leases.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._submitting = Submitting(database, clock)

    async def submit(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """With what others submit meanwhile, in one transaction."""
        if len(jobs) > MAX_SUBMIT:
            raise DocumentRejected(f"More than {MAX_SUBMIT} jobs at once.", reason="too_large")
        return await self._submitting.submit(jobs) if jobs else ()

    async def job(self, tenant: str, job_id: str) -> Job | None:
        """By the primary key."""
        query = select(JOBS).where(_COLUMNS.id == plain(job_id), _COLUMNS.tenant == plain(tenant))
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else job_of(row)

    async def page(self, tenant: str, wanted: JobFilter, *, limit: int, after: JobCursor | None = None) -> JobPage:
        """In the order of the index on when they were submitted."""
        most = min(limit, MAX_PAGE)
        query = select(*SHOWN).where(_COLUMNS.tenant == plain(tenant), *_conditions(wanted))
        if after is not None:
            query = query.where(tuple_(_COLUMNS.created_at, _COLUMNS.id) < tuple_(after.created_at, plain(after.id)))
        query = query.order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc()).limit(most + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        shown = tuple(map(job_of, rows[:most]))
        return JobPage(shown, JobCursor(shown[-1].created_at, shown[-1].id) if len(rows) > most else None)

    async def waiting(self, tenant: str, *, most: int, queue: str = ANSWERS) -> int:
        """By the index over those that have not ended."""
        some = select(_COLUMNS.id).where(
            _COLUMNS.queue == plain(queue), _COLUMNS.tenant == plain(tenant), _COLUMNS.ended_at.is_(None)
        )
        query = select(func.count()).select_from(some.limit(most).subquery())
        return int(await self._database.read(lambda connection: connection.execute(query).scalar_one()))

    async def cancel(self, tenant: str, job_id: str) -> Job | None:
        """In one transaction, so that what is claimed meanwhile is stopped."""
        now = self._clock.epoch_s()
        return await self._database.write(lambda connection: _cancel(connection, tenant, job_id, now))

    async def claim(
        self, worker: str, most: int, lease_s: float, queues: Sequence[str] = (ANSWERS,)
    ) -> tuple[Lease, ...]:
        """One transaction for all of them, none where there is nothing."""
        now = self._clock.epoch_s()
        names = [plain(queue) for queue in queues]
        due = await self._database.read(lambda connection: look(connection, now, names))
        claim = Claim(plain(worker), uuid4().hex, most, now, now + lease_s, names, due)
        return await self._database.write(claim) if due else ()

    async def ready(self, *, most: int, queues: Sequence[str] = (ANSWERS,)) -> tuple[str, ...]:
        """By the index over those that have not ended."""
        return await self._database.read(lambda connection: _ready(connection, list(map(plain, queues)), most))

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> frozenset[str]:
        """One transaction for all of them."""
        if not leases:
            return frozenset()
        until = self._clock.epoch_s() + lease_s
        kept = await self._database.write(lambda connection: _renew(connection, leases, until))
        return frozenset(lease.job.id for lease in leases if not kept.get(lease.job.id, False))

    async def wanted_stopped(self, worker: str) -> frozenset[str]:
        """By an index over those alone."""
        query = select(_COLUMNS.id).where(_COLUMNS.worker == plain(worker), _COLUMNS.stop_at.is_not(None))
        return frozenset(await self._database.read(lambda connection: connection.execute(query).scalars().all()))

    async def append(self, lease: Lease, events: Sequence[JobEvent]) -> bool:
        """The job's row is held meanwhile."""
        now = self._clock.epoch_s()

        def work(connection: Connection) -> bool:
            held = _held(connection, lease)
            if held is not None:
                write_events(connection, {held.id: events}, now)
            return held is not None

        return await self._database.write(work)

    async def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """All in one transaction."""
        now = self._clock.epoch_s()

        def work(connection: Connection) -> bool:
            held = _held(connection, lease)
            if held is not None:
                end(connection, [held], outcome, now)
            return held is not None

        return await self._database.write(work)

    async def release(
        self, lease: Lease, *, not_before: float | None = None, counted: bool = True, reason: str = ""
    ) -> bool:
        """In front of those who were not claimed yet."""
        now = self._clock.epoch_s()

        def work(connection: Connection) -> bool:
            held = _held(connection, lease)
            if held is None:
                return False
            if held.stop_at is not None:
                end(connection, [held], CANCELLED, now)
                return True
            later = not_before is not None and not_before > now
            place = {"wake_at": not_before} if later else {"turn": Turns(connection).virtual(held.queue)}
            values = {**IDLE, **place, "status": "queued", "attempts": held.attempts - (0 if counted else 1)}
            connection.execute(update(JOBS).where(_COLUMNS.id == held.id).values(values))
            write_events(connection, {held.id: [put_back(reason, not_before)]}, now)
            void(connection, [held.id])
            return True

        return await self._database.write(work)

    async def events(self, tenant: str, job_id: str, *, after: int = 0, limit: int = 1_000) -> tuple[JobEvent, ...]:
        """By the primary key."""
        owned = select(_COLUMNS.id).where(_COLUMNS.id == plain(job_id), _COLUMNS.tenant == plain(tenant))
        query = select(JOB_EVENTS).where(_EVENTS.job_id.in_(owned), _EVENTS.seq > after)
        query = query.order_by(_EVENTS.seq).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple(JobEvent(row.kind, bytes(row.data), row.seq, row.at) for row in rows)

    async def latest(self, job_ids: Sequence[str]) -> dict[str, Latest]:
        """One look into the primary key for each."""
        last = select(func.max(_EVENTS.seq)).where(_EVENTS.job_id == _COLUMNS.id).scalar_subquery()
        query = select(_COLUMNS.id, last.label("seq"), _COLUMNS.ended_at)
        names = list(map(plain, job_ids))
        parts = [names[first : first + _LATEST_AT_ONCE] for first in range(0, len(names), _LATEST_AT_ONCE)]

        def work(connection: Connection) -> dict[str, Latest]:
            rows = (row for part in parts for row in connection.execute(query.where(_COLUMNS.id.in_(part))))
            return {row.id: Latest(row.seq or 0, row.ended_at is not None) for row in rows}

        return await self._database.read(work)

    async def depth(self) -> tuple[Depth, ...]:
        """Counted over those that have not ended. What is due waits for no more than the next claim."""
        flow, wakes, now = (_COLUMNS.queue, _COLUMNS.tenant, _COLUMNS.priority), _COLUMNS.wake_at, self._clock.epoch_s()
        due, later = (func.count(case((when, 1))) for when in (wakes <= now, wakes > now))
        counts = func.count(_COLUMNS.turn) + due, later, func.count(_COLUMNS.lease_until)
        query = select(*flow, *counts).where(_COLUMNS.ended_at.is_(None)).group_by(*flow).order_by(*flow)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple(Depth(queue, tenant, Priority(priority), *many) for queue, tenant, priority, *many in rows)

    async def tenants(self) -> tuple[str, ...]:
        """One look into the index for each."""
        return await self._database.read(lambda connection: tenants_of(connection, _COLUMNS.tenant))

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        ended_before: float | None = None,
    ) -> int:
        """Some at a time."""
        conditions = [_COLUMNS.tenant == plain(tenant)]
        if user is not None:
            conditions.append(_COLUMNS.asked_for == plain(user))
        if before is not None:
            conditions.append(_COLUMNS.created_at < before)
        if ended_before is not None:
            conditions += [_COLUMNS.ended_at < ended_before, _COLUMNS.batch_id.is_(None)]
        gone = 0
        while True:
            count = await self._database.write(lambda connection: _forget(connection, conditions))
            gone += count
            if count < _FORGET_AT_ONCE:
                return gone


def _held(connection: Connection, lease: Lease) -> Row[Any] | None:
    """The job's row, held until the transaction's end, where the lease is still its own."""
    query = select(*_HELD).where(_COLUMNS.id == lease.job.id, _COLUMNS.lease_token == lease.token)
    return connection.execute(query.with_for_update()).one_or_none()


def _ready(connection: Connection, queues: Sequence[str], most: int) -> tuple[str, ...]:
    waits = _COLUMNS.ended_at.is_(None), _COLUMNS.turn.is_not(None)
    found = {
        tenant
        for queue in queues
        for tenant in tenants_of(connection, _COLUMNS.tenant, _COLUMNS.queue == queue, *waits, most=most)
    }
    return tuple(sorted(found)[:most])


def _cancel(connection: Connection, tenant: str, job_id: str, now: float) -> Job | None:
    query = select(JOBS).where(_COLUMNS.id == plain(job_id), _COLUMNS.tenant == plain(tenant))
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        return None
    if row.status == "queued":
        end(connection, [row], CANCELLED, now)
    elif row.status == "running" and row.stop_at is None:
        connection.execute(update(JOBS).where(_COLUMNS.id == row.id).values(stop_at=now))
    else:
        return job_of(row)
    return job_of(connection.execute(query).one())


def _renew(connection: Connection, leases: Sequence[Lease], until: float) -> dict[str, bool]:
    """Of those whose lease is still the same, whether they are to go on."""
    mine = tuple_(_COLUMNS.id, _COLUMNS.lease_token).in_([(lease.job.id, lease.token) for lease in leases])
    # In one order, so that nobody waits for who waits for them.
    query = select(_COLUMNS.id, _COLUMNS.stop_at).where(mine).order_by(_COLUMNS.id).with_for_update()
    kept = {row.id: row.stop_at is None for row in connection.execute(query)}
    connection.execute(update(JOBS).where(_COLUMNS.id.in_(list(kept))).values(lease_until=until))
    return kept


def _conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    equal = {
        _COLUMNS.status: wanted.status,
        _COLUMNS.caller: wanted.caller,
        _COLUMNS.asked_for: wanted.user,
        _COLUMNS.batch_id: wanted.batch_id,
        _COLUMNS.queue: wanted.queue,
    }
    found: list[ColumnElement[bool]] = [column == plain(value) for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        found.append(_COLUMNS.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(_COLUMNS.created_at < wanted.until)
    return found


def _forget(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Their events and messages go with them."""
    some = select(_COLUMNS.id).where(*conditions).order_by(_COLUMNS.id).limit(_FORGET_AT_ONCE).with_for_update()
    ids = connection.execute(some).scalars().all()
    connection.execute(delete(JOBS).where(_COLUMNS.id.in_(ids)))
    return len(ids)
