"""What is written when something happens to a job: events, its end, the message about it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tandem.adapters.state.plain import plain, plain_or_none
from tandem.adapters.state.tables import JOB_EVENTS, JOB_MESSAGES, JOBS
from tandem.adapters.state.upserts import insert_of
from tandem.domain.job import JobEvent, Outcome
from tandem.domain.job_events import MOST_TOLD, ended

# It waits no more, and nobody runs it.
IDLE: Mapping[str, None] = dict.fromkeys(("turn", "wake_at", "worker", "lease_token", "lease_until", "stop_at"))


def write_events(connection: Connection, written: Mapping[str, Sequence[JobEvent]], now: float) -> None:
    """Behind those that the jobs have. Who calls it holds the jobs' rows."""
    if not any(written.values()):
        return
    events = JOB_EVENTS.c
    known = (
        select(events.job_id, func.max(events.seq).label("last"))
        .where(events.job_id.in_(list(written)))
        .group_by(events.job_id)
    )
    last: dict[str, int] = {row.job_id: row.last for row in connection.execute(known)}
    rows = [
        {"job_id": job_id, "seq": last.get(job_id, 0) + place, "kind": event.kind, "data": event.data, "at": now}
        for job_id, each in written.items()
        for place, event in enumerate(each, start=1)
    ]
    connection.execute(insert(JOB_EVENTS), rows)


def void(connection: Connection, ids: Iterable[str]) -> None:
    """Of jobs whose `retry` was just written, what is told no more (`still_told`). It stays the last, so no number comes twice."""
    events = JOB_EVENTS.c
    for job_id in ids:
        of_job = delete(JOB_EVENTS).where(events.job_id == job_id)
        connection.execute(of_job.where(events.kind == "token"))
        newest = select(events.seq).where(events.job_id == job_id).order_by(events.seq.desc())
        oldest_out = connection.execute(newest.offset(MOST_TOLD).limit(1)).scalar()
        if oldest_out is not None:
            connection.execute(of_job.where(events.seq <= oldest_out))


def end(connection: Connection, rows: Sequence[Row[Any]], outcome: Outcome, now: float) -> None:
    """All at once: outcome, last event, message. `rows` are those jobs', with id, tenant and callback_url, and held."""
    if not rows:
        return
    failure = outcome.failure
    values = {
        **IDLE,
        "status": outcome.status,
        "ended_at": now,
        "result": outcome.result,
        "receipt_id": plain_or_none(outcome.receipt_id),
        "failure_code": failure and plain(failure.code),
        "failure_message": failure and plain(failure.message),
    }
    connection.execute(update(JOBS).where(JOBS.c.id.in_([row.id for row in rows])).values(values))
    write_events(connection, {row.id: [ended(outcome)] for row in rows}, now)
    messages = [
        {"job_id": row.id, "tenant": row.tenant, "status": "pending", "attempts": 0, "problem": "", "due_at": now}
        for row in rows
        if row.callback_url is not None
    ]
    if messages:
        into = insert_of(connection)
        connection.execute(into(JOB_MESSAGES).on_conflict_do_nothing(index_elements=["job_id"]), messages)
