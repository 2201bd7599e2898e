"""OpenAI's Batch API: a file of questions, answered while nobody else wants the model."""

from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from tandem.http.exchange import exchange_of, reader_of
from tandem.http.json_route import JsonRoute
from tandem.http.reply import json_reply
from tandem.http.wire import batches as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import ShortText
from tandem.pipeline.batches.desk import BatchDesk
from tandem.ports.clock import Clock

BatchId = Annotated[str, Path(description="id of the batch.")]


def batches_router(desk: BatchDesk, *, clock: Clock, new_id: Callable[[], str] = lambda: uuid4().hex) -> APIRouter:
    """Over the files that `http/routers/files.py` takes."""
    router = APIRouter(tags=["batches"], route_class=JsonRoute)

    @router.post(
        "/v1/batches",
        responses={200: {"model": wire.WireBatch}, **faults(404, 415, 507, *BEHIND)},
        summary="Answer every line of a file",
    )
    async def create(body: wire.BatchRequest, request: Request) -> Response:
        batch = body.batch(f"batch_{new_id()}", exchange_of(request.scope), clock.epoch_s())
        return json_reply(wire.wire_batch(await desk.create(batch, reader_of(request))))

    @router.get(
        "/v1/batches",
        responses={200: {"model": wire.WireBatches}, **faults(*BEHIND)},
        summary="List your batches, newest first",
    )
    async def listing(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=wire.MAX_LISTED)] = 20,
        after: Annotated[ShortText | None, Query(description="id of the last batch of the page before.")] = None,
    ) -> Response:
        tickets, more = await desk.page(reader_of(request), limit=limit, after=after)
        return json_reply(wire.wire_batches(tickets, more))

    @router.get(
        "/v1/batches/{batch_id}",
        responses={200: {"model": wire.WireBatch}, **faults(404, *BEHIND)},
        summary="How far a batch is",
    )
    async def batch(batch_id: BatchId, request: Request) -> Response:
        return json_reply(wire.wire_batch(await desk.batch(batch_id, reader_of(request))))

    @router.post(
        "/v1/batches/{batch_id}/cancel",
        responses={200: {"model": wire.WireBatch}, **faults(404, *BEHIND)},
        summary="Cancel a batch; what was answered by then is in its output",
    )
    async def cancel(batch_id: BatchId, request: Request) -> Response:
        return json_reply(wire.wire_batch(await desk.cancel(batch_id, reader_of(request))))

    return router
