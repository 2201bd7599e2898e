"""What synchronisations need of a collection: what is there, what failed, how far a stream has come."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from tandem.http.exchange import context_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import as_it_serves
from tandem.http.reply import json_reply
from tandem.http.wire import syncing as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import CollectionName, ShortText
from tandem.ports.ingestor import Ingestor

Name = Annotated[CollectionName, Path()]
After = Annotated[ShortText | None, Query(description="next_after of the page before.")]


def syncing_router(ingestor: Ingestor) -> APIRouter:
    """Everything is seen through the caller's tenant and groups."""
    router = APIRouter(tags=["collections"], route_class=JsonRoute, dependencies=as_it_serves)

    @router.get(
        "/v1/collections/{name}/failures",
        responses={200: {"model": wire.WireFailures}, **faults(403, 404, *BEHIND)},
        summary="List documents that could not be ingested",
    )
    async def failures(
        name: Name,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=wire.MAX_FAILURES)] = 100,
        after: After = None,
    ) -> Response:
        return json_reply(
            wire.wire_failures(await ingestor.failures(name, context_of(request), limit=limit, after=after))
        )

    @router.post(
        "/v1/collections/{name}/failures",
        responses={200: {"model": wire.FailureNoted}, **faults(403, 409, 415, 507, *BEHIND)},
        summary="Remember a document that its source could not give",
    )
    async def note(name: Name, body: wire.NotedFailure, request: Request) -> Response:
        await ingestor.note_failure(name, body.failure(), context_of(request), body.event())
        return json_reply(wire.FailureNoted(document_id=body.document_id))

    @router.delete(
        "/v1/collections/{name}/failures",
        responses={200: {"model": wire.FailureForgotten}, **faults(403, 404, *BEHIND)},
        summary="Forget a failure",
    )
    async def forget(name: Name, document_id: Annotated[ShortText, Query()], request: Request) -> Response:
        known = await ingestor.forget_failure(name, document_id, context_of(request))
        return json_reply(wire.FailureForgotten(document_id=document_id, forgotten=known))

    @router.get(
        "/v1/collections/{name}/marks",
        responses={200: {"model": wire.WireMarks}, **faults(403, 404, *BEHIND)},
        summary="List what a synchronisation compares with",
    )
    async def marks(
        name: Name,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=wire.MAX_MARKS)] = 1_000,
        after: After = None,
    ) -> Response:
        return json_reply(wire.wire_marks(await ingestor.marks(name, context_of(request), limit=limit, after=after)))

    @router.get(
        "/v1/collections/{name}/positions",
        responses={200: {"model": wire.WirePositions}, **faults(403, *BEHIND)},
        summary="How far partitions of a stream have taken effect",
    )
    async def positions(
        name: Name,
        request: Request,
        stream: Annotated[ShortText, Query()],
        partition: Annotated[list[int], Query(max_length=wire.MAX_PARTITIONS)],
    ) -> Response:
        found = await ingestor.positions(name, stream, partition, context_of(request))
        return json_reply(wire.WirePositions(stream=stream, positions=dict(found)))

    return router
