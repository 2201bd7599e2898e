"""Jobs as rows, and back."""

from typing import Any

import orjson
from sqlalchemy import Row

from tandem.adapters.state.plain import plain, plain_or_none
from tandem.adapters.state.tables import JOBS
from tandem.domain.errors import UpstreamFailed
from tandem.domain.job import Job, JobFailure
from tandem.domain.tenants import Priority

# What a page shows of a job.
SHOWN = tuple(column for column in JOBS.columns if column.name not in {"body", "result"})


def row_of(job: Job) -> dict[str, Any]:
    """Of one that is new; `turn` and `wake_at` are for others to say."""
    return {
        "id": plain(job.id),
        "tenant": plain(job.tenant),
        "caller": plain(job.caller),
        "groups": orjson.dumps([plain(group) for group in job.groups]).decode(),
        "asked_for": plain_or_none(job.user),
        "weight": job.weight,
        "queue": plain(job.queue),
        "priority": int(job.priority),
        "body": job.body,
        "created_at": job.created_at,
        "not_before": job.not_before,
        "expires_at": job.expires_at,
        "callback_url": plain_or_none(job.callback_url),
        "idempotency_key": plain_or_none(job.idempotency_key),
        "batch_id": plain_or_none(job.batch_id),
        "custom_id": plain_or_none(job.custom_id),
        "line": job.line,
        "status": job.status,
        "turn": None,
        "wake_at": None,
        "attempts": job.attempts,
        "ended_at": job.ended_at,
        "result": job.result,
        "failure_code": job.failure and plain(job.failure.code),
        "failure_message": job.failure and plain(job.failure.message),
    }


def job_of(row: Row[Any]) -> Job:
    """Without body and result where the row has none. Raises `UpstreamFailed` for one that a newer Tandem wrote."""
    try:
        return _job_of(row)
    except ValueError as error:
        raise UpstreamFailed(f"The job {row.id} cannot be read.", hint="Was it written by a newer Tandem?") from error


def _job_of(row: Row[Any]) -> Job:
    has = row._mapping  # noqa: SLF001 - the public name of a row's columns
    failure = None if row.failure_code is None else JobFailure(row.failure_code, row.failure_message or "")
    return Job(
        row.id,
        bytes(has.get("body", b"")),
        row.created_at,
        row.tenant,
        row.caller,
        tuple(orjson.loads(row.groups)),
        row.asked_for,
        row.weight,
        row.queue,
        Priority(row.priority),
        row.not_before,
        row.expires_at,
        row.callback_url,
        row.idempotency_key,
        row.batch_id,
        row.custom_id,
        row.line,
        row.status,
        row.stop_at is not None,
        row.attempts,
        row.started_at,
        row.ended_at,
        row.receipt_id,
        bytes(has.get("result", b"")),
        failure,
    )
