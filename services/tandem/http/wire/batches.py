"""Files and batches as OpenAI's API has them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from tandem.domain.batch import CHAT, Batch, BatchStatus, Purpose, StoredFile, Tally, line_id
from tandem.domain.batch_line import BatchLine, LineFault
from tandem.domain.errors import InvalidRequest, TandemError
from tandem.domain.job import Job, JobFailure
from tandem.domain.tenants import Priority
from tandem.http.errors import body_of_code, status_of_code
from tandem.http.exchange import Exchange
from tandem.http.permissions import check_version
from tandem.http.wire.batch_lines import answered_line, fault_line, refused_line
from tandem.http.wire.chat_request import NOT_KEPT, ChatRequest, read_request
from tandem.http.wire.text import Out, Text
from tandem.pipeline.batches.desk import BatchTicket

MAX_LISTED = 100
_HOUR_S = 3_600.0
_WINDOW = re.compile(r"([1-9]\d{0,2})(h|d)")
_LONGEST_H = 7 * 24
_LINE_FAULT = "line:"
_LATE = LineFault("batch_expired", "This request could not be executed before the completion window expired.")
_CALLED_OFF = LineFault("batch_cancelled", "The batch was cancelled before this request was executed.")


class BatchRequest(BaseModel):
    """What to run, and how long it may take. Unknown fields are ignored, as OpenAI does."""

    model_config = ConfigDict(extra="ignore")

    input_file_id: Annotated[Text, Field(min_length=1, max_length=255)]
    endpoint: Annotated[Text, Field(max_length=255, description=f"{CHAT} is the one there is.")]
    completion_window: Annotated[Text, Field(max_length=10)] = Field(
        default="24h", description="24h as with OpenAI; here also other hours (h) and days (d), up to 7d."
    )
    metadata: dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]] | None = Field(
        default=None, max_length=16
    )

    def batch(self, batch_id: str, exchange: Exchange, now: float) -> Batch:
        """Raises `InvalidRequest` for a window that is none."""
        found = _WINDOW.fullmatch(self.completion_window)
        hours = int(found[1]) * (24 if found[2] == "d" else 1) if found else 0
        if not 0 < hours <= _LONGEST_H:
            raise InvalidRequest(
                "completion_window: such as 24h, at most 7d.", hint="Write 24h.", param="completion_window"
            )
        return Batch(
            id=batch_id,
            input_file_id=self.input_file_id,
            endpoint=self.endpoint,
            window=self.completion_window,
            created_at=now,
            expires_at=now + hours * _HOUR_S,
            tenant=exchange.tenant,
            caller=exchange.caller,
            groups=exchange.groups,
            user=exchange.caller if exchange.person else None,
            admin=exchange.admin,
            metadata=self.metadata or {},
        )


class WireFile(Out):
    """A file. `bytes` is its size."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: Purpose
    status: Literal["processed"] = "processed"


class WireFiles(Out):
    """A page of files, newest first."""

    object: Literal["list"] = "list"
    data: list[WireFile]
    first_id: str | None
    last_id: str | None
    has_more: bool


class WireDeletedFile(Out):
    """It is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class WireBatchFault(Out):
    """Why no line was run."""

    code: str
    message: str
    line: int | None
    param: None = None


class WireBatchFaults(Out):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[WireBatchFault]


class WireCounts(Out):
    """Of lines; those that a cancellation left out are in `total` alone."""

    total: int
    completed: int
    failed: int


class WireBatch(Out):
    """A batch."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: WireBatchFaults | None
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: WireCounts
    metadata: dict[str, str] | None


class WireBatches(Out):
    """A page of batches, newest first."""

    object: Literal["list"] = "list"
    data: list[WireBatch]
    first_id: str | None
    last_id: str | None
    has_more: bool


def wire_file(file: StoredFile) -> WireFile:
    """All of it but its content."""
    return WireFile(
        id=file.id,
        bytes=file.size,
        created_at=int(file.created_at),
        expires_at=int(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
    )


def wire_files(files: Sequence[StoredFile], more: bool) -> WireFiles:
    """A page."""
    data = [wire_file(file) for file in files]
    first, last = _ends(data)
    return WireFiles(data=data, first_id=first, last_id=last, has_more=more)


def wire_batch(ticket: BatchTicket) -> WireBatch:
    """All of it."""
    batch = ticket.batch
    faults = [WireBatchFault(code=each.code, message=each.message, line=each.line) for each in batch.faults]
    ended = {status: _seconds(batch.ended_at) if batch.status == status else None for status in _ENDS}
    return WireBatch(
        id=batch.id,
        endpoint=batch.endpoint,
        errors=WireBatchFaults(data=faults) if faults else None,
        input_file_id=batch.input_file_id,
        completion_window=batch.window,
        status=batch.status,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=int(batch.created_at),
        in_progress_at=_seconds(batch.in_progress_at),
        expires_at=int(batch.expires_at),
        finalizing_at=_seconds(batch.finalizing_at),
        completed_at=ended["completed"],
        failed_at=ended["failed"],
        expired_at=ended["expired"],
        cancelling_at=_seconds(batch.cancelling_at),
        cancelled_at=ended["cancelled"],
        request_counts=_counts(batch, ticket.tally),
        metadata=dict(batch.metadata) or None,
    )


def wire_batches(tickets: Sequence[BatchTicket], more: bool) -> WireBatches:
    """A page."""
    data = [wire_batch(ticket) for ticket in tickets]
    first, last = _ends(data)
    return WireBatches(data=data, first_id=first, last_id=last, has_more=more)


def line_job(line: BatchLine, batch: Batch, collection: str, now: float, *, alias: str) -> Job:
    """To be answered; one that has failed already, where that can be told now."""
    job = Job(
        id=line_id(batch.id, line.number),
        body=b"",
        created_at=now,
        tenant=batch.tenant,
        caller=batch.caller,
        groups=batch.groups,
        user=batch.user,
        weight=batch.weight,
        queue=batch.queue,
        priority=Priority.low,
        expires_at=batch.expires_at,
        batch_id=batch.id,
        custom_id=line.custom_id,
        line=line.number,
    )
    if line.fault is not None or line.body is None:
        fault = line.fault or LineFault("invalid_body", "body: a chat request is needed.")
        return _failed(job, f"{_LINE_FAULT}{fault.code}", fault.message, now)
    try:
        request = read_request(line.body)
        _check(request, batch, collection, alias)
    except TandemError as error:
        return _failed(job, error.code, error.message, now)
    user = request.safety_identifier or request.user or batch.user
    told = request.model_dump(mode="json", exclude_unset=True, exclude=set(NOT_KEPT))
    return replace(job, body=orjson.dumps(told, option=orjson.OPT_SORT_KEYS), user=user)


def written_line(job: Job) -> bytes:
    """What came of a line that ended."""
    number = job.line or 0
    told_id = f"batch_req_{job.id.removeprefix('job-')}"
    request_id = job.receipt_id or job.id
    if job.status == "succeeded":
        return answered_line(told_id, job.custom_id or "", request_id, job.result)
    if job.status == "cancelled" or job.failure is None:
        return fault_line(told_id, number, job.custom_id, _CALLED_OFF)
    code, message = job.failure.code, job.failure.message
    if code == "expired":
        return fault_line(told_id, number, job.custom_id, _LATE)
    if code.startswith(_LINE_FAULT):
        return fault_line(told_id, number, job.custom_id, LineFault(code.removeprefix(_LINE_FAULT), message))
    status, body = status_of_code(code), body_of_code(code, message)
    return refused_line(told_id, job.custom_id or "", request_id, status, body)


_ENDS: tuple[BatchStatus, ...] = ("completed", "failed", "expired", "cancelled")


def _check(request: ChatRequest, batch: Batch, collection: str, alias: str) -> None:
    """Raises what the same request would be refused with online."""
    request.question(collection, alias=alias)
    check_version(request.named, admin=batch.admin)


def _failed(job: Job, code: str, message: str, now: float) -> Job:
    return replace(job, status="failed", failure=JobFailure(code, message), ended_at=now)


def _counts(batch: Batch, tally: Tally) -> WireCounts:
    return WireCounts(total=batch.total or tally.total, completed=tally.completed, failed=tally.failed)


def _seconds(at: float | None) -> int | None:
    return None if at is None else int(at)


def _ends(data: Sequence[Any]) -> tuple[str | None, str | None]:
    return (data[0].id, data[-1].id) if data else (None, None)
