"""Feedback, and who was forgotten, that this process keeps for its peers beside their receipts."""

from dataclasses import asdict, astuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from tandem.http.exchange import exchange_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import peers_only
from tandem.http.reply import json_reply
from tandem.http.wire import peer_feedback as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.ports.feedback import FeedbackStore
from tandem.ports.forgotten import Forgotten

ROOT = "/v1/peer/feedback"
FORGOTTEN = "/v1/peer/forgotten"
_FAULTS = faults(403, 415, 422, 507, *BEHIND)


def peer_feedback_router(store: FeedbackStore, forgotten: Forgotten) -> APIRouter:
    """The tenant is the one that the peer names in its header."""
    router = APIRouter(tags=["peers"], dependencies=peers_only, route_class=JsonRoute)

    @router.put(ROOT, responses={200: {"model": wire.Known}, **_FAULTS}, summary="Keep an opinion")
    async def give(body: wire.PeerFeedback, request: Request) -> Response:
        return json_reply(wire.Known(known=await store.give(body.feedback(_tenant(request)))))

    @router.post(f"{ROOT}/about", responses={200: {"model": wire.Opinions}, **_FAULTS}, summary="Opinions of receipts")
    async def about(body: wire.PeerAbout, request: Request) -> Response:
        found = await store.about(_tenant(request), body.receipt_ids)
        return json_reply(wire.Opinions(feedback=[asdict(each) for each in found]))

    @router.post(f"{ROOT}/page", responses={200: {"model": wire.Opinions}, **_FAULTS}, summary="A page of opinions")
    async def page(body: wire.PeerWanted, request: Request) -> Response:
        found = await store.page(_tenant(request), body.filter(), limit=body.limit, after=body.cursor())
        after = None if found.next_after is None else list(astuple(found.next_after))
        return json_reply(wire.Opinions(feedback=[asdict(each) for each in found.feedback], next_after=after))

    @router.get(f"{ROOT}/tenants", responses={200: {"model": wire.Names}, **_FAULTS}, summary="Who gave opinions")
    async def tenants() -> Response:
        return json_reply(wire.Names(tenants=list(await store.tenants())))

    @router.post(f"{ROOT}/forget", responses={200: {"model": wire.Count}, **_FAULTS}, summary="Delete opinions")
    async def forget(body: wire.PeerForget, request: Request) -> Response:
        gone = await store.forget(_tenant(request), user=body.user, before=body.before, receipt_ids=body.receipt_ids)
        return json_reply(wire.Count(count=gone))

    @router.get(FORGOTTEN, responses={200: {"model": wire.Notes}, **_FAULTS}, summary="Who was forgotten")
    async def noted() -> Response:
        return json_reply(wire.Notes(forgotten=[asdict(each) for each in await forgotten.all()]))

    @router.put(FORGOTTEN, responses={200: {"model": wire.Count}, **_FAULTS}, summary="Note who is forgotten")
    async def note(body: wire.PeerForgetting) -> Response:
        await forgotten.note(body.forgetting())
        return json_reply(wire.Count(count=len(body.users)))

    @router.post(f"{FORGOTTEN}/drop", responses={200: {"model": wire.Count}, **_FAULTS}, summary="Drop old notes")
    async def drop(body: wire.PeerBefore) -> Response:
        return json_reply(wire.Count(count=await forgotten.drop(body.before)))

    return router


def _tenant(request: Request) -> str:
    return exchange_of(request.scope).tenant
