"""Batches in a table, over the jobs that are their lines."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    case,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from tandem.adapters.state.batch_rows import batch_of, row_of
from tandem.adapters.state.database import Database
from tandem.adapters.state.files import row_of as file_row
from tandem.adapters.state.job_ending import end
from tandem.adapters.state.job_rows import job_of
from tandem.adapters.state.plain import plain
from tandem.adapters.state.tables import BATCHES, FILES, JOB_TURNS, JOBS
from tandem.adapters.state.tenants import tenants_of
from tandem.domain.batch import Batch, BatchLease, BatchStatus, Side, StoredFile, Tally
from tandem.domain.job import BATCHES as SHARED_QUEUE
from tandem.domain.job import Job
from tandem.domain.job_events import CANCELLED
from tandem.ports.batches import MAX_PAGE, BatchPage
from tandem.ports.clock import Clock

_COLUMNS = BATCHES.c
_LINES = JOBS.c
_WITH_RESULT = tuple(column for column in JOBS.columns if column.name != "body")
_FORGET_AT_ONCE = 500


class StoredBatches:
    """`ports/batches.py` over SQLite or PostgreSQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, batch: Batch) -> None:
        """Due at once."""
        row = {**row_of(batch), "due_at": self._clock.epoch_s()}
        await self._database.write(lambda connection: connection.execute(insert(BATCHES), [row]))

    async def batch(self, tenant: str, batch_id: str) -> Batch | None:
        """By the primary key."""
        return await self._one(*_owned(tenant, batch_id))

    async def anybodys(self, batch_id: str) -> Batch | None:
        """By the primary key."""
        return await self._one(_COLUMNS.id == plain(batch_id))

    async def page(self, tenant: str, *, caller: str | None, limit: int, after: str | None = None) -> BatchPage:
        """In the order of the index on when they were created."""
        most = min(limit, MAX_PAGE)
        query = select(_COLUMNS.body).where(_COLUMNS.tenant == plain(tenant))
        if caller is not None:
            query = query.where(_COLUMNS.caller == plain(caller))
        if after is not None:
            last = select(_COLUMNS.created_at, _COLUMNS.id).where(*_owned(tenant, after))
            query = query.where(tuple_(_COLUMNS.created_at, _COLUMNS.id) < last.scalar_subquery())
        query = query.order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc()).limit(most + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return BatchPage(tuple(map(batch_of, rows[:most])), len(rows) > most)

    async def open(self, tenant: str) -> int:
        """Counted over the index of its batches."""
        query = select(func.count()).where(_COLUMNS.tenant == plain(tenant), _COLUMNS.ended_at.is_(None))
        return int(await self._database.read(lambda connection: connection.execute(query).scalar_one()))

    async def going(self) -> dict[BatchStatus, int]:
        """By the index over those alone."""
        query = select(_COLUMNS.status, func.count()).where(_COLUMNS.due_at.is_not(None)).group_by(_COLUMNS.status)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {status: int(count) for status, count in rows}

    async def cancel(self, tenant: str, batch_id: str) -> Batch | None:
        """In one transaction."""
        now = self._clock.epoch_s()

        def work(connection: Connection) -> Batch | None:
            query = select(_COLUMNS.body).where(*_owned(tenant, batch_id)).with_for_update()
            body = connection.execute(query).scalar()
            known = None if body is None else batch_of(body)
            if known is None or known.over or known.status == "cancelling":
                return known
            stopping = replace(known, status="cancelling", cancelling_at=now)
            # Whoever moves it on just now finds out when it writes.
            due = case((_COLUMNS.token.is_(None), now), else_=_COLUMNS.due_at)
            connection.execute(
                update(BATCHES).where(*_owned(tenant, batch_id)).values({**row_of(stopping), "due_at": due})
            )
            return stopping

        return await self._database.write(work)

    async def claim(self, lease_s: float) -> BatchLease | None:
        """A look first: most find nothing."""
        now = self._clock.epoch_s()
        due = select(_COLUMNS.id, _COLUMNS.body).where(_COLUMNS.due_at <= now).order_by(_COLUMNS.due_at).limit(1)
        if (await self._database.read(lambda connection: connection.execute(due).first())) is None:
            return None

        def work(connection: Connection) -> tuple[bytes, str] | None:
            row = connection.execute(due.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            token = uuid4().hex
            taken = update(BATCHES).where(_COLUMNS.id == row.id).values(token=token, due_at=now + lease_s)
            connection.execute(taken)
            return row.body, token

        taken = await self._database.write(work)
        # Read behind its transaction: one that cannot be read is not to come before all others each time.
        return None if taken is None else BatchLease(batch_of(taken[0]), taken[1])

    async def keep(self, lease: BatchLease, batch: Batch, lease_s: float) -> bool:
        """One statement."""
        conditions = _held(lease)
        if batch.status not in ("cancelling", "cancelled"):
            conditions.append(_COLUMNS.status != "cancelling")
        values = {**row_of(batch), "due_at": self._clock.epoch_s() + lease_s}
        statement = update(BATCHES).where(*conditions).values(values)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def end(self, lease: BatchLease, batch: Batch, written: Sequence[StoredFile]) -> bool:
        """All in one transaction."""
        over = update(BATCHES).where(*_held(lease)).values({**row_of(batch), "due_at": None, "token": None})

        def work(connection: Connection) -> bool:
            if connection.execute(over).rowcount != 1:
                return False
            if written:
                connection.execute(insert(FILES), [file_row(file, whole=True) for file in written])
            if batch.queue != SHARED_QUEUE:
                connection.execute(delete(JOB_TURNS).where(JOB_TURNS.c.queue == plain(batch.queue)))
            return True

        return await self._database.write(work)

    async def release(self, lease: BatchLease, look_again_s: float) -> None:
        """One statement."""
        now = self._clock.epoch_s()
        # One that was called off since it was claimed is not to wait for that.
        called_off = _COLUMNS.status == "cancelling" if lease.batch.status != "cancelling" else false()
        due_at = case((called_off, now), else_=now + look_again_s)
        statement = update(BATCHES).where(*_held(lease)).values(token=None, due_at=due_at)
        await self._database.write(lambda connection: connection.execute(statement))

    async def tally(self, batch: Batch) -> Tally:
        """Over an index that has all of it."""
        late = func.sum(case((_LINES.failure_code == "expired", 1), else_=0))
        query = select(_LINES.status, func.count(), late).where(*_of(batch)).group_by(_LINES.status)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        many = {status: int(count) for status, count, _ in rows}
        expired = sum(int(late) for *_, late in rows)
        open_ = many.get("queued", 0) + many.get("running", 0)
        return Tally(open_, many.get("succeeded", 0), many.get("failed", 0), many.get("cancelled", 0), expired)

    async def any_open(self, batch: Batch) -> bool:
        """By the index over those alone."""
        query = select(exists().where(_LINES.batch_id == plain(batch.id), _LINES.ended_at.is_(None)))
        return bool(await self._database.read(lambda connection: connection.execute(query).scalar_one()))

    async def lines(self, batch: Batch, side: Side, *, after: int = -1, limit: int) -> tuple[Job, ...]:
        """By the index of its lines."""
        query = select(*_WITH_RESULT).where(*_of(batch), _LINES.line > after, *_on(side))
        query = query.order_by(_LINES.line).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple(map(job_of, rows))

    async def stop_lines(self, batch: Batch, most: int) -> int:
        """Those that others are just claiming are passed over: the next call finds them running."""
        now = self._clock.epoch_s()
        here = _LINES.batch_id == plain(batch.id), _LINES.tenant == plain(batch.tenant), _LINES.ended_at.is_(None)

        def work(connection: Connection) -> int:
            query: Select[Any] = select(_LINES.id, _LINES.tenant, _LINES.callback_url)
            # Whoever ran the others is gone, and nobody may come to claim them again.
            query = query.where(*here, or_(_LINES.status == "queued", _LINES.lease_until <= now))
            rows = connection.execute(query.limit(most).with_for_update(skip_locked=True)).all()
            end(connection, rows, CANCELLED, now)
            # In one order, so that nobody waits for who waits for them.
            running = select(_LINES.id).where(*here, _LINES.status == "running", _LINES.stop_at.is_(None))
            ids = connection.execute(running.order_by(_LINES.id).with_for_update()).scalars().all()
            connection.execute(update(JOBS).where(_LINES.id.in_(ids)).values(stop_at=now))
            return len(rows)

        return await self._database.write(work)

    async def drop_lines(self, tenant: str, batch_id: str, side: Side) -> None:
        """Some at a time."""
        await self._drop(_LINES.tenant == plain(tenant), _LINES.batch_id == plain(batch_id), *_on(side))

    async def tenants(self) -> tuple[str, ...]:
        """One look into the index for each."""
        return await self._database.read(lambda connection: tenants_of(connection, _COLUMNS.tenant))

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, ended_before: float | None = None
    ) -> int:
        """One at a time, its lines some at a time."""
        conditions: list[ColumnElement[bool]] = [_COLUMNS.tenant == plain(tenant)]
        if user is not None:
            conditions.append(_COLUMNS.asked_for == plain(user))
            await self._database.write(lambda connection: connection.execute(_inputs(tenant, user)))
        if before is not None:
            conditions.append(_COLUMNS.created_at < before)
        if ended_before is not None:
            conditions.append(_COLUMNS.ended_at < ended_before)
        query = select(_COLUMNS.id).where(*conditions)
        ids: Sequence[str] = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        for batch_id in ids:
            await self._forget(tenant, batch_id)
        if ended_before is not None:
            whose = exists().where(_COLUMNS.id == _LINES.batch_id)
            await self._drop(
                _LINES.tenant == plain(tenant), _LINES.batch_id.is_not(None), _LINES.ended_at < ended_before, ~whose
            )
        return len(ids)

    async def _one(self, *conditions: ColumnElement[bool]) -> Batch | None:
        query = select(_COLUMNS.body).where(*conditions)
        body = await self._database.read(lambda connection: connection.execute(query).scalar())
        return None if body is None else batch_of(body)

    async def _forget(self, tenant: str, batch_id: str) -> None:
        await self._drop(_LINES.tenant == plain(tenant), _LINES.batch_id == batch_id)

        def work(connection: Connection) -> None:
            connection.execute(delete(FILES).where(FILES.c.tenant == plain(tenant), FILES.c.batch_id == batch_id))
            connection.execute(delete(BATCHES).where(*_owned(tenant, batch_id)))

        await self._database.write(work)

    async def _drop(self, *conditions: ColumnElement[bool]) -> None:
        some = delete(JOBS).where(_LINES.id.in_(select(_LINES.id).where(*conditions).limit(_FORGET_AT_ONCE)))
        while await self._database.write(lambda connection: connection.execute(some).rowcount) >= _FORGET_AT_ONCE:
            pass


def _owned(tenant: str, batch_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _COLUMNS.id == plain(batch_id), _COLUMNS.tenant == plain(tenant)


def _held(lease: BatchLease) -> list[ColumnElement[bool]]:
    return [_COLUMNS.id == plain(lease.batch.id), _COLUMNS.token == lease.token]


def _of(batch: Batch) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _LINES.tenant == plain(batch.tenant), _LINES.batch_id == plain(batch.id)


def _on(side: Side) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    answered = _LINES.status == "succeeded"
    return _LINES.ended_at.is_not(None), answered if side == "output" else ~answered


def _inputs(tenant: str, user: str) -> Delete:
    """Deletes what was read into batches with a line of that user."""
    theirs = select(_LINES.batch_id).where(
        _LINES.tenant == plain(tenant), _LINES.asked_for == plain(user), _LINES.batch_id.is_not(None)
    )
    read = select(_COLUMNS.input_file_id).where(_COLUMNS.tenant == plain(tenant), _COLUMNS.id.in_(theirs))
    return delete(FILES).where(FILES.c.tenant == plain(tenant), FILES.c.id.in_(read))
