"""What is kept of one user: handed out, and deleted. An admin's business, within its tenant."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tandem.http.exchange import exchange_of
from tandem.http.json_route import JsonRoute
from tandem.http.line_reply import LINES, lines_reply
from tandem.http.permissions import admin_only
from tandem.http.reply import json_reply
from tandem.http.wire import personal as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.pipeline.privacy.personal import PersonalData

_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": 'A line of JSON for each thing, `{"kind": …, "value": …}`; the last one is of the kind `end`, with the counts of the others: without it something is missing.',
        "content": {LINES: {"schema": {"type": "string"}}},
    }
}


def personal_router(personal: PersonalData) -> APIRouter:
    """Users are told by the ids that callers sent, whatever they are kept as."""
    router = APIRouter(tags=["privacy"], dependencies=admin_only, route_class=JsonRoute)

    @router.get(
        "/v1/privacy/export",
        responses={**_EXPORT, **faults(403, *BEHIND)},
        response_class=Response,
        summary="Everything that is kept of a user",
    )
    async def export(user: Annotated[wire.UserId, Query()], request: Request) -> Response:
        return await lines_reply(personal.export(exchange_of(request.scope).tenant, user))

    @router.post(
        "/v1/privacy/delete",
        responses={200: {"model": wire.WireDeletion}, **faults(403, 415, 507, *BEHIND)},
        summary="Delete everything that is kept of a user",
    )
    async def delete(body: wire.DeleteBody, request: Request) -> Response:
        done = await personal.delete(exchange_of(request.scope).tenant, body.user)
        return json_reply(wire.wire_deletion(done))

    return router
