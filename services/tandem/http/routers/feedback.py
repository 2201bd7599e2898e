"""What people think of answers, in; and for admins, what they thought."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tandem.domain.feedback import Feedback
from tandem.domain.reader import Reader
from tandem.http.exchange import exchange_of, reader_of
from tandem.http.json_route import JsonRoute
from tandem.http.line_reply import LINES, lines_reply
from tandem.http.permissions import admin_only
from tandem.http.reply import json_reply
from tandem.http.wire import feedback as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.pipeline.feedback.giving import GivingFeedback
from tandem.pipeline.feedback.rated import RatedAnswers
from tandem.ports.feedback import FeedbackFilter

_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": 'A line of JSON for each opinion, then for each record, `{"kind": …, "value": …}`; the last one is of the kind `end`: without it something is missing.',
        "content": {LINES: {"schema": {"type": "string"}}},
    }
}


def feedback_router(giving: GivingFeedback, rated: RatedAnswers) -> APIRouter:
    """Whoever may ask may say what it thinks of the tenant's answers; what others said takes an admin."""
    router = APIRouter(tags=["feedback"], route_class=JsonRoute)

    @router.post(
        "/v1/feedback",
        responses={200: {"model": wire.WireGiven}, **faults(404, 415, 507, *BEHIND)},
        summary="Say what you think of an answer; once more replaces it",
    )
    async def give(body: wire.FeedbackBody, request: Request) -> Response:
        exchange, opinion = exchange_of(request.scope), body.opinion()
        if exchange.person and opinion.user is None:
            # Who comes with a token of their own speaks for themselves.
            opinion = replace(opinion, user=exchange.caller)
        return json_reply(wire.wire_given(await giving.give(opinion, reader_of(request))))

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

    @router.get(
        "/v1/feedback/export",
        responses={**_EXPORT, **faults(403, *BEHIND)},
        response_class=Response,
        summary="What was said, and the records of the answers it is about",
        dependencies=admin_only,
    )
    async def export(query: Annotated[wire.ExportQuery, Query()], request: Request) -> Response:
        return await lines_reply(_told(rated, query.filter(), reader_of(request)))

    return router


async def _told(rated: RatedAnswers, wanted: FeedbackFilter, reader: Reader) -> AsyncIterator[tuple[str, Any]]:
    async for each in rated.all(wanted, reader):
        yield "feedback" if isinstance(each, Feedback) else "receipt", each
    yield "end", {"tenant": reader.tenant}
