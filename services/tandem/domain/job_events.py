"""What a store of jobs says in events of what it does to them."""

import json
from collections.abc import Sequence

from tandem.domain.errors import IdempotencyConflict
from tandem.domain.job import EventKind, Job, JobEvent, JobFailure, Outcome

EXPIRED = Outcome("failed", failure=JobFailure("expired", "The job expired before it was answered."))
CANCELLED = Outcome("cancelled")
LAPSED = "lease_lapsed"
# Of what went before an attempt this much is told, the newest.
MOST_TOLD = 100


def begun(attempt: int) -> JobEvent:
    """Somebody runs it, for the n-th time."""
    return _event("status", {"status": "running", "attempt": attempt})


def put_back(reason: str, not_before: float | None = None) -> JobEvent:
    """What came of it so far is void, and told no more; it is tried again, where that is known not before an instant."""
    return _event("retry", {"reason": reason, "not_before": not_before})


def ended(outcome: Outcome) -> JobEvent:
    """The last one: the status, and why it failed."""
    failure = outcome.failure
    error = None if failure is None else {"code": failure.code, "message": failure.message}
    return _event("done", {"status": outcome.status, "error": error})


def still_told(events: Sequence[JobEvent]) -> list[JobEvent]:
    """Of a job that was put back: no tokens, and not all of its history, however often it was tried."""
    return [event for event in events if event.kind != "token"][-MOST_TOLD:]


def same_body(known: Job, job: Job) -> None:
    """Raises `IdempotencyConflict` when two jobs of one key do not ask for the same."""
    if known.digest != job.digest:
        raise IdempotencyConflict(
            "The idempotency key was used before, for another body.",
            hint=f"Job {known.id} has it; take a new key for a new question.",
            param="idempotency_key",
        )


def _event(kind: EventKind, data: dict[str, object]) -> JobEvent:
    return JobEvent(kind, json.dumps(data).encode())
