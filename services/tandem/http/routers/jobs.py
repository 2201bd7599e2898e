"""Questions that are answered later: submitted, asked after, followed, called off."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from tandem.domain.job import ANSWERS, JobStatus
from tandem.http.exchange import exchange_of, reader_of
from tandem.http.job_stream import JobStream
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import check_collection
from tandem.http.reply import json_reply
from tandem.http.wire import jobs as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import ShortText
from tandem.pipeline.jobs.desk import JobDesk, Ticket
from tandem.ports.clock import Clock
from tandem.ports.jobs import JobFilter

JobId = Annotated[str, Path(description="id of the job.")]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: status, token, retry, and done at the end; each with its number as id.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def jobs_router(
    desk: JobDesk,
    *,
    collection: str,
    alias: str,
    clock: Clock,
    keep_alive_s: float = 15.0,
    new_id: Callable[[], str] = lambda: uuid4().hex,
) -> APIRouter:
    """`collection` is asked when a request names none; the model `alias` means any."""
    router = APIRouter(tags=["jobs"], route_class=JsonRoute)

    @router.post(
        "/v1/jobs",
        status_code=202,
        responses={202: {"model": wire.WireJob}, **faults(403, 404, 409, 415, 507, *BEHIND)},
        summary="Ask a question that is answered later",
    )
    async def submit(
        body: wire.JobRequest,
        request: Request,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    ) -> Response:
        exchange = exchange_of(request.scope)
        check_collection(body.named, request.scope)
        # What can never be answered is refused now rather than later.
        body.question(collection, alias=alias)
        job = await desk.submit(body.job(f"job-{new_id()}", exchange, idempotency_key, clock.epoch_s()))
        return json_reply(wire.wire_job(Ticket(job)), 202, {"location": f"/v1/jobs/{job.id}"})

    @router.get(
        "/v1/jobs",
        responses={200: {"model": wire.WireJobs}, **faults(*BEHIND)},
        summary="List your jobs, newest first",
    )
    async def listing(
        request: Request,
        status: Annotated[JobStatus | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=wire.MAX_LISTED)] = 50,
        after: Annotated[ShortText | None, Query(description="next_after of the page before.")] = None,
    ) -> Response:
        wanted = JobFilter(status=status, queue=ANSWERS)
        page = await desk.page(wanted, reader_of(request), limit=limit, after=wire.job_cursor(after))
        return json_reply(wire.wire_jobs(page))

    @router.get(
        "/v1/jobs/{job_id}",
        responses={200: {"model": wire.WireJob}, **faults(404, *BEHIND)},
        summary="How far a job is, and its answer",
    )
    async def job(job_id: JobId, request: Request) -> Response:
        return json_reply(wire.wire_job(await desk.ticket(job_id, reader_of(request))))

    @router.delete(
        "/v1/jobs/{job_id}",
        responses={200: {"model": wire.WireJob}, **faults(404, *BEHIND)},
        summary="Cancel a job, also while it is answered; one that ended stays as it is",
    )
    async def cancel(job_id: JobId, request: Request) -> Response:
        return json_reply(wire.wire_job(Ticket(await desk.cancel(job_id, reader_of(request)))))

    @router.get(
        "/v1/jobs/{job_id}/events",
        responses=_STREAM | faults(404, *BEHIND),
        summary="Follow a job; Last-Event-ID goes on behind that event",
    )
    async def events(
        job_id: JobId,
        request: Request,
        last_event_id: Annotated[int, Header(ge=0, le=2**53)] = 0,
    ) -> Response:
        reader = reader_of(request)
        await desk.ticket(job_id, reader)
        return JobStream(desk.follow(job_id, reader, last_event_id), keep_alive_s=keep_alive_s)

    return router
