"""Jobs as they are submitted and told of."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import Field

from tandem.domain.answer import Answered, Found
from tandem.domain.errors import InvalidRequest
from tandem.domain.job import Job
from tandem.domain.question import Question
from tandem.domain.tenants import Priority
from tandem.http.exchange import Exchange
from tandem.http.wire.chat_answer import Stamp, whole_answer
from tandem.http.wire.chat_request import NOT_KEPT, ChatRequest, read_request
from tandem.http.wire.cursors import cursor_text, read_cursor
from tandem.http.wire.text import Out, Text
from tandem.pipeline.jobs.desk import Ticket
from tandem.ports.deliveries import DeliveryState
from tandem.ports.jobs import JobCursor, JobPage

MAX_LISTED = 200
MAX_DELAY_S = 90 * 86_400.0
MAX_WAIT_S = 7 * 86_400.0
_OF_THE_JOB = frozenset({"callback_url", "idempotency_key", "priority", "not_before", "expires_at"})
PriorityName = Literal["low", "normal", "high"]


class JobRequest(ChatRequest):
    """A chat request, and when and how it is to be answered. `stream` is ignored: tokens are among the job's events."""

    callback_url: Annotated[Text, Field(max_length=2_000)] | None = Field(
        default=None, description="Told of the job's end: http or https, no private address unless the operator allows."
    )
    idempotency_key: Annotated[Text, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        description="Submitted again under the same key, the same job is told of. Or header Idempotency-Key.",
    )
    priority: PriorityName = "normal"
    not_before: float | None = Field(default=None, ge=0, le=1e11, description="Seconds since 1970.")
    expires_at: float | None = Field(
        default=None, ge=0, le=1e11, description="Seconds since 1970; not begun by then, it fails with expired."
    )

    def job(self, job_id: str, exchange: Exchange, key: str | None, now: float) -> Job:
        """The job to submit. Raises `InvalidRequest` for times and URLs that make no sense."""
        if self.not_before is not None and self.not_before > now + MAX_DELAY_S:
            raise InvalidRequest("not_before: at most 90 days from now.", param="not_before")
        begins = max(now, self.not_before or 0.0)
        if self.expires_at is not None and self.expires_at <= begins:
            raise InvalidRequest("expires_at: it would be over before it may begin.", param="expires_at")
        if key is not None and self.idempotency_key not in (None, key):
            raise InvalidRequest("idempotency_key and the header Idempotency-Key differ.", param="idempotency_key")
        if self.callback_url is not None:
            _check_url(self.callback_url)
        return Job(
            id=job_id,
            body=self._asked(),
            created_at=now,
            tenant=exchange.tenant,
            caller=exchange.caller,
            groups=exchange.groups,
            # Who comes with a token of their own asks for themselves.
            user=self.safety_identifier or self.user or (exchange.caller if exchange.person else None),
            priority=Priority[self.priority],
            not_before=self.not_before,
            # What is asked is kept while it waits: nothing waits for ever.
            expires_at=begins + MAX_WAIT_S if self.expires_at is None else min(self.expires_at, begins + MAX_WAIT_S),
            callback_url=self.callback_url,
            idempotency_key=_own_key(exchange.caller, self.idempotency_key or key),
        )

    def _asked(self) -> bytes:
        """The chat request alone, with sorted keys: the same request is the same bytes."""
        told = self.model_dump(mode="json", exclude_unset=True, exclude=set(_OF_THE_JOB | NOT_KEPT))
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


class WireJobFailure(Out):
    """Why a job failed: `code` as in errors, or expired."""

    code: str
    message: str


class WireDelivery(Out):
    """The message about the job's end: pending, delivered, or dead once it was given up."""

    url: str
    status: Literal["pending", "delivered", "dead"]
    attempts: int
    problem: str
    ended_at: float | None


class WireJob(Out):
    """A job. `request` and `result` are null in lists."""

    id: str
    object: Literal["job"] = "job"
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    cancelling: bool = Field(description="It runs, and will be cancelled.")
    priority: PriorityName
    created_at: float
    not_before: float | None
    expires_at: float | None
    started_at: float | None
    ended_at: float | None
    attempts: int
    idempotency_key: str | None
    receipt_id: str | None
    request: dict[str, Any] | None
    result: dict[str, Any] | None = Field(description="The chat.completion of a job that succeeded.")
    error: WireJobFailure | None
    callback: WireDelivery | None


class WireJobs(Out):
    """A page of jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[WireJob]
    next_after: str | None


def wire_job(ticket: Ticket) -> WireJob:
    """All of it."""
    job, failure = ticket.job, ticket.job.failure
    return WireJob(
        id=job.id,
        status=job.status,
        cancelling=job.stopping and not job.ended,
        priority=_name(job.priority),
        created_at=job.created_at,
        not_before=job.not_before,
        expires_at=job.expires_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        attempts=job.attempts,
        idempotency_key=_told_key(job),
        receipt_id=job.receipt_id,
        request=orjson.loads(job.body) if job.body else None,
        result=orjson.loads(job.result) if job.result else None,
        error=None if failure is None else WireJobFailure(code=failure.code, message=failure.message),
        callback=_delivery(job, ticket.delivery),
    )


def wire_notice(job: Job) -> WireJob:
    """Without request and result: who is told may have lost its rights since, and reads them with its key."""
    return wire_job(Ticket(replace(job, body=b"", result=b"")))


def wire_jobs(page: JobPage) -> WireJobs:
    """Without requests and results."""
    after = page.next_after
    return WireJobs(
        data=[wire_job(Ticket(job)) for job in page.jobs],
        next_after=None if after is None else cursor_text(after.created_at, after.id),
    )


def job_cursor(text: str | None) -> JobCursor | None:
    """Raises `InvalidRequest`."""
    if text is None:
        return None
    created_at, (job_id,) = read_cursor(text, 1)
    return JobCursor(created_at, job_id)


def question_of(body: bytes, collection: str, *, alias: str) -> Question:
    """What a job asks, or a batch's line. Raises as the same body would be refused online."""
    return read_request(body).question(collection, alias=alias)


def completion_of(receipt_id: str, created: int, found: Found, text: str, end: Answered) -> bytes:
    """The `chat.completion` that the same request is answered with online."""
    stamp = Stamp(receipt_id.removeprefix("rcpt-"), created)
    return whole_answer(stamp, found, text, end).model_dump_json().encode()


def _delivery(job: Job, state: DeliveryState | None) -> WireDelivery | None:
    if job.callback_url is None:
        return None
    if state is None:
        return WireDelivery(url=job.callback_url, status="pending", attempts=0, problem="", ended_at=None)
    return WireDelivery(
        url=state.url, status=state.status, attempts=state.attempts, problem=state.problem, ended_at=state.ended_at
    )


def _own_key(caller: str, key: str | None) -> str | None:
    """A key is its caller's: another one of the tenant may use the same for something else."""
    return None if key is None else f"{len(caller)}:{caller}:{key}"


def _told_key(job: Job) -> str | None:
    key = job.idempotency_key
    return None if key is None else key.removeprefix(f"{len(job.caller)}:{job.caller}:")


def _name(priority: Priority) -> PriorityName:
    return "low" if priority is Priority.low else "high" if priority is Priority.high else "normal"


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        sound = sound and parts.password is None and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise InvalidRequest(
            "callback_url: an http or https URL with a host, without user and password.", param="callback_url"
        )
