"""Passages without an answer."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from tandem.http.exchange import context_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import check_collection
from tandem.http.presence import while_wanted
from tandem.http.reply import json_reply
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.options import RetrieveRequest
from tandem.http.wire.passages import WireRetrieval, wire_retrieval
from tandem.ports.clock import Clock
from tandem.ports.retriever import Retriever


def retrieval_router(retriever: Retriever, *, collection: str, clock: Clock) -> APIRouter:
    """`collection` is searched when a request names none."""
    router = APIRouter(tags=["retrieval"], route_class=JsonRoute)

    @router.post(
        "/v1/retrieve",
        responses={200: {"model": WireRetrieval}, **faults(403, 404, 409, 415, *BEHIND)},
        summary="Find passages",
    )
    async def retrieve(body: RetrieveRequest, request: Request) -> Response:
        check_collection(body.collection, request.scope)
        context = context_of(request)
        left_s = None if context.deadline_s is None else context.deadline_s - clock.monotonic_s()
        work = retriever.retrieve(body.query, body.options(collection), context)
        return json_reply(wire_retrieval(await while_wanted(work, request.receive, left_s=left_s, stage="retrieval")))

    return router
