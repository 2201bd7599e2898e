"""A question to be answered later: what was asked, how far it is, and what came of it."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from tandem.domain.context import DEFAULT_TENANT
from tandem.domain.tenants import Priority

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
EventKind = Literal["status", "token", "retry", "done"]
ENDED: frozenset[JobStatus] = frozenset({"succeeded", "failed", "cancelled"})
ANSWERS = "answers"
BATCHES = "batches"
# How much more of the turns a job of this priority gets than a normal one of the same tenant.
WEIGHTS = {Priority.low: 0.25, Priority.normal: 1.0, Priority.high: 4.0}


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job failed: `code` is one of the error tree's (`domain/errors.py`), or `expired`."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """`body` is the `/v1/chat/completions` request as JSON, `result` the `chat.completion` likewise; empty in pages.

    Instants are seconds since 1970. It runs not before `not_before`, and not at all from `expires_at` on. `attempts` are
    those that were begun, `started_at` is when the first was. `stopping`: somebody wants it cancelled while it runs.
    `caller`, `groups` and `user` are those of who submitted it, and so is `weight`: its tenant's share. Within a tenant
    `idempotency_key` names one job. `custom_id` and `line` (from 0) tell its place in the batch `batch_id`.
    """

    id: str
    body: bytes
    created_at: float
    tenant: str = DEFAULT_TENANT
    caller: str = ""
    groups: tuple[str, ...] = ()
    user: str | None = None
    weight: float = 1.0
    queue: str = ANSWERS
    priority: Priority = Priority.normal
    not_before: float | None = None
    expires_at: float | None = None
    callback_url: str | None = None
    idempotency_key: str | None = None
    batch_id: str | None = None
    custom_id: str | None = None
    line: int | None = None
    status: JobStatus = "queued"
    stopping: bool = False
    attempts: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    receipt_id: str | None = None
    result: bytes = b""
    failure: JobFailure | None = None

    @property
    def ended(self) -> bool:
        """Nothing will come of it any more."""
        return self.status in ENDED

    @property
    def digest(self) -> str:
        """What tells its body from others under the same idempotency key."""
        return sha256(self.body).hexdigest()

    @property
    def toll(self) -> float:
        """How far it moves on the turns of its tenant: the less, the sooner the next one comes."""
        return 1.0 / (self.weight * WEIGHTS[self.priority])


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a job until an instant (seconds since 1970). Whoever has another `token` lost it, or never had it."""

    job: Job
    token: str
    until: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job. `status` is an ended one."""

    status: JobStatus
    result: bytes = b""
    failure: JobFailure | None = None
    receipt_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """`data` is JSON. `seq` counts from 1 within a job; the store gives it, and the instant `at`.

    `retry` says that what came of an attempt so far is void. `done` is the last one.
    """

    kind: EventKind
    data: bytes
    seq: int = 0
    at: float = 0.0


def webhook_id(job_id: str) -> str:
    """The id of the one message about a job's end, however often it is sent."""
    return f"msg_{job_id.removeprefix('job-')}"
