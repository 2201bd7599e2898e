"""Receipts: what an answer was made from, by its id or in a list."""

from collections.abc import Coroutine
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from tandem.domain.record import RecordedOutcome
from tandem.http.exchange import exchange_of, reader_of
from tandem.http.json_route import JsonRoute
from tandem.http.presence import while_wanted
from tandem.http.reply import json_reply
from tandem.http.wire import receipts as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.receipts_told import wire_receipt, wire_receipts
from tandem.http.wire.text import ShortText
from tandem.pipeline.receipts import ReadReceipts
from tandem.ports.clock import Clock
from tandem.ports.receipts import ReceiptFilter

T = TypeVar("T")
Instant = Annotated[float | None, Query(allow_inf_nan=False, description="Seconds since 1970.")]
Name = Annotated[ShortText | None, Query()]


def receipts_router(receipts: ReadReceipts, *, clock: Clock) -> APIRouter:
    """What is seen depends on the caller's tenant, its name, its groups."""
    router = APIRouter(tags=["receipts"], route_class=JsonRoute)

    async def in_time(work: Coroutine[Any, Any, T], request: Request) -> T:
        deadline_s = exchange_of(request.scope).deadline_s
        left_s = None if deadline_s is None else deadline_s - clock.monotonic_s()
        return await while_wanted(work, request.receive, left_s=left_s, stage="state")

    @router.get(
        "/v1/receipts/{receipt_id}",
        responses={200: {"model": wire.WireReceipt}, **faults(404, *BEHIND)},
        summary="What an answer was made from",
    )
    async def receipt(
        receipt_id: Annotated[
            str, Path(description="tandem.receipt_id of the answer, or its header x-tandem-receipt-id.")
        ],
        request: Request,
    ) -> Response:
        return json_reply(wire_receipt(await in_time(receipts.receipt(receipt_id, reader_of(request)), request)))

    @router.get(
        "/v1/receipts",
        responses={200: {"model": wire.WireReceipts}, **faults(*BEHIND)},
        summary="List receipts, newest first",
    )
    async def listing(
        request: Request,
        caller: Name = None,
        user: Name = None,
        outcome: Annotated[RecordedOutcome | None, Query()] = None,
        collection: Annotated[ShortText | None, Query(description="Of any version (docs), or of one (docs@3).")] = None,
        model: Name = None,
        prompt: Annotated[ShortText | None, Query(description="Of any version (answer), or of one (answer@1).")] = None,
        release: Name = None,
        since: Instant = None,
        until: Instant = None,
        rating: Annotated[Literal["up", "down"] | None, Query(description="Somebody liked it, or did not.")] = None,
        limit: Annotated[int, Query(ge=1, le=wire.MAX_LISTED)] = 50,
        after: Annotated[ShortText | None, Query(description="next_after of the page before.")] = None,
    ) -> Response:
        wanted = ReceiptFilter(caller, user, outcome, collection, model, prompt, release, since, until, rating)
        page = receipts.listing(wanted, reader_of(request), limit=limit, after=wire.receipt_cursor(after))
        found = await in_time(page, request)
        return json_reply(wire_receipts(found))

    return router
