"""Receipts that this process keeps for its peers: whole, since it is the peer that knows who reads them."""

import asyncio
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from tandem.domain.errors import InvalidRequest, UnknownReceipt
from tandem.domain.record import AnswerRecord
from tandem.http.exchange import exchange_of
from tandem.http.permissions import peers_only
from tandem.http.reply import json_reply
from tandem.http.wire import peer_receipts as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.ports.receipts import MAX_PAGE, Cursor, Receipts

_RECORDS = TypeAdapter(tuple[AnswerRecord, ...])
_FAULTS = faults(403, 422, 507, *BEHIND)
ROOT = "/v1/peer/receipts"
# One record with the prompt of a model that reads a book.
MAX_BYTES = 32_000_000


def peer_receipts_router(store: Receipts) -> APIRouter:
    """The tenant is the one that the peer names in its header, but in `keep`, where each record has its own."""
    router = APIRouter(tags=["peers"], dependencies=peers_only)

    @router.post(ROOT, responses={200: {"model": wire.Kept}, **_FAULTS}, summary="Keep records of answers")
    async def keep(request: Request) -> Response:
        try:
            records = await asyncio.to_thread(_RECORDS.validate_json, await request.body())
        except ValidationError as error:
            raise InvalidRequest(f"These are no records: {error.errors()[0]['msg']}.") from error
        await store.keep(records)
        return json_reply(wire.Kept(kept=len(records)))

    @router.get(
        ROOT + "/one", responses={200: {"model": wire.AnyRecord}, **_FAULTS, **faults(404)}, summary="One record"
    )
    async def one(id: Annotated[str, Query()], request: Request) -> Response:  # noqa: A002 - its name in the URL
        record = await store.receipt(exchange_of(request.scope).tenant, id)
        if record is None:
            raise UnknownReceipt("There is no such receipt.")
        return _plain(record)

    @router.post(ROOT + "/scores", responses={200: {"model": wire.Scored}, **_FAULTS}, summary="Add scores to a record")
    async def scores(body: wire.Scores, request: Request) -> Response:
        known = await store.judged(exchange_of(request.scope).tenant, body.id, body.scores)
        return json_reply(wire.Scored(known=known))

    @router.get(ROOT, responses={200: {"model": wire.AnyPage}, **_FAULTS}, summary="A page of records, newest first")
    async def page(
        request: Request,
        wanted: Annotated[wire.PeerFilter, Query()],
    ) -> Response:
        after = None
        if wanted.after_at is not None and wanted.after_id is not None:
            after = Cursor(wanted.after_at, wanted.after_id)
        tenant = exchange_of(request.scope).tenant
        return _plain(await store.page(tenant, wanted.filter(), limit=min(wanted.limit, MAX_PAGE), after=after))

    @router.get(ROOT + "/tenants", responses={200: {"model": wire.Tenants}, **_FAULTS}, summary="Who has records here")
    async def tenants() -> Response:
        return json_reply(wire.Tenants(tenants=list(await store.tenants())))

    @router.delete(ROOT, responses={200: {"model": wire.Forgotten}, **_FAULTS}, summary="Delete a tenant's records")
    async def forget(
        request: Request, user: Annotated[str | None, Query()] = None, before: Annotated[float | None, Query()] = None
    ) -> Response:
        tenant = exchange_of(request.scope).tenant
        return json_reply(wire.Forgotten(forgotten=await store.forget(tenant, user=user, before=before)))

    return router


def _plain(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
