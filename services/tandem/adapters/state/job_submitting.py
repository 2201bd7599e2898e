"""New jobs, many calls in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, text

from tandem.adapters.state.database import Database
from tandem.adapters.state.job_rows import job_of, row_of
from tandem.adapters.state.job_turns import Turns
from tandem.adapters.state.plain import plain
from tandem.adapters.state.tables import JOBS
from tandem.domain.errors import DocumentRejected, IdempotencyConflict, TandemError, UpstreamFailed
from tandem.domain.job import Job
from tandem.domain.job_events import same_body
from tandem.ports.clock import Clock

_COLUMNS = JOBS.c
# Any number will do, as long as everybody who submits takes the same.
_LOCK = 7_227_140_302
# A transaction takes no further call from so many jobs on.
_FULL = 500
# What names a job: its tenant, which kind of name it is, and the name.
_Name = tuple[str, str, str]
_Said = tuple[Job, ...] | TandemError


@dataclass(frozen=True, slots=True)
class _Call:
    jobs: Sequence[Job]
    answer: asyncio.Future[tuple[Job, ...]]


class Submitting:
    """Calls that come while others are written are written together behind them: a commit costs as much for one as for all."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: list[_Call] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """What is under way is written even when nobody waits for it any more."""
        call = _Call(jobs, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await call.answer

    async def _write(self) -> None:
        while self._waiting:
            calls = self._next()
            try:
                for call, said in zip(calls, await self._said(calls), strict=True):
                    if call.answer.done():
                        continue
                    if isinstance(said, TandemError):
                        call.answer.set_exception(said)
                    else:
                        call.answer.set_result(said)
            finally:
                # Where what is above did not come to its end, nobody is to wait forever.
                for call in (each for each in calls if not each.answer.done()):
                    call.answer.set_exception(UpstreamFailed("The state store was left before the jobs were written."))

    def _next(self) -> list[_Call]:
        calls: list[_Call] = []
        count = 0
        while self._waiting and count < _FULL:
            calls.append(self._waiting.pop(0))
            count += len(calls[-1].jobs)
        return calls

    async def _said(self, calls: Sequence[_Call]) -> Sequence[_Said]:
        now = self._clock.epoch_s()
        try:
            return await self._database.write(lambda connection: _put(connection, [each.jobs for each in calls], now))
        except DocumentRejected as error:
            # One of them cannot be stored: the others are not to suffer.
            return [error] if len(calls) == 1 else [said for each in calls for said in await self._said([each])]
        except TandemError as error:
            return [error] * len(calls)


def _put(connection: Connection, calls: Sequence[Sequence[Job]], now: float) -> list[_Said]:
    """For each call its jobs, or why none of them is stored."""
    _lock(connection)
    known = _known(connection, [job for jobs in calls for job in jobs])
    said: list[_Said] = []
    new: list[Job] = []
    for jobs in calls:
        shown, added = _told(jobs, known)
        said.append(shown)
        new += added
        known |= {name: job for job in added for name in _names(job)}
    _insert(connection, new, now)
    return said


def _lock(connection: Connection) -> None:
    """Turns and keys are looked up and given by one at a time. SQLite's transaction for writing is such a lock already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _known(connection: Connection, jobs: Sequence[Job]) -> dict[_Name, Job]:
    wanted: dict[tuple[str, str], set[str]] = {}
    for tenant, kind, name in (name for job in jobs for name in _names(job)):
        wanted.setdefault((tenant, kind), set()).add(name)
    found: dict[_Name, Job] = {}
    for (tenant, kind), names in wanted.items():
        query = select(JOBS).where(_COLUMNS.tenant == tenant, _COLUMNS[kind].in_(names))
        found |= {name: job for job in map(job_of, connection.execute(query)) for name in _names(job)}
    return found


def _told(jobs: Sequence[Job], known: dict[_Name, Job]) -> tuple[_Said, list[Job]]:
    """What one call is told, and which of its jobs are new."""
    here: dict[_Name, Job] = {}
    shown: list[Job] = []
    new: list[Job] = []
    for job in jobs:
        names = _names(job)
        there = next((one for name in names if (one := known.get(name) or here.get(name)) is not None), None)
        if there is None:
            new.append(job)
            here |= dict.fromkeys(names, job)
        else:
            try:
                same_body(there, job)
            except IdempotencyConflict as error:
                return error, []
        shown.append(there or job)
    return tuple(shown), new


def _insert(connection: Connection, jobs: Sequence[Job], now: float) -> None:
    if not jobs:
        return
    turns = Turns(connection)
    rows = [row_of(job) for job in jobs]
    for row in (each for each in rows if each["ended_at"] is None):
        if row["not_before"] is not None and row["not_before"] > now:
            row["wake_at"] = row["not_before"]
        else:
            row["turn"] = turns.give(row)
    connection.execute(insert(JOBS), rows)


def _names(job: Job) -> list[_Name]:
    tenant = plain(job.tenant)
    key = [] if job.idempotency_key is None else [(tenant, "idempotency_key", plain(job.idempotency_key))]
    return [*key, (tenant, "id", plain(job.id))]
