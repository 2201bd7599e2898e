"""What people think of answers, in; and for admins, what they thought."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tandem.domain.reader import Reader
from tandem.http.exchange import exchange_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import admin_only
from tandem.http.reply import json_reply
from tandem.http.wire import feedback as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.pipeline.feedback.giving import GivingFeedback


def feedback_router(giving: GivingFeedback) -> APIRouter:
    """Whoever may ask may say what it thinks of the tenant's answers; what others said takes an admin."""
    router = APIRouter(tags=["feedback"], route_class=JsonRoute)

    @router.post(
        "/v1/feedback",
        responses={200: {"model": wire.WireGiven}, **faults(404, 415, 507, *BEHIND)},
        summary="Say what you think of an answer; once more replaces it",
    )
    async def give(body: wire.FeedbackBody, request: Request) -> Response:
        exchange = exchange_of(request.scope)
        reader = Reader(exchange.tenant, exchange.caller, exchange.groups, exchange.admin)
        return json_reply(wire.wire_given(await giving.give(body.opinion(), reader)))

    @router.get(
        "/v1/feedback",
        responses={200: {"model": wire.WireFeedbackPage}, **faults(403, *BEHIND)},
        summary="List what was said, oldest first",
        dependencies=admin_only,
    )
    async def listing(query: Annotated[wire.FeedbackQuery, Query()], request: Request) -> Response:
        tenant = exchange_of(request.scope).tenant
        page = await giving.listing(query.filter(), tenant, limit=query.limit, after=query.cursor())
        return json_reply(wire.wire_page(page))

    return router
