"""Releases: tried, promoted, rolled back."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from tandem.domain.release import BASE
from tandem.http.exchange import context_of, exchange_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import admin_only
from tandem.http.reply import json_reply
from tandem.http.wire import releases as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.pipeline.releases.desk import ReleaseDesk

Name = Annotated[wire.ReleaseName, Path(description="The release.")]
_FAULTS = faults(403, 404, 409, 415, 501, 507, *BEHIND)


def releases_router(desk: ReleaseDesk) -> APIRouter:
    """A release answers every tenant, so all of this takes an admin."""
    router = APIRouter(tags=["releases"], route_class=JsonRoute, dependencies=admin_only)

    @router.get(
        "/v1/releases",
        responses={200: {"model": wire.WireReleases}, **faults(403, 501, *BEHIND)},
        summary="List releases, oldest first",
    )
    async def listing() -> Response:
        book = await desk.all()
        serving = BASE if book.serving is None else book.serving.name
        return json_reply(wire.WireReleases(serving=serving, data=[wire.wire_release(each) for each in book.releases]))

    @router.post(
        "/v1/releases",
        responses={200: {"model": wire.WireRelease}, **_FAULTS},
        summary="Try a release on a share of the conversations",
    )
    async def create(body: wire.ReleaseBody, request: Request) -> Response:
        wanted = body.release(exchange_of(request.scope).caller)
        return json_reply(wire.wire_release(await desk.create(wanted, context_of(request))))

    @router.get(
        "/v1/releases/{name}",
        responses={200: {"model": wire.WireWatched}, **faults(403, 404, 501, *BEHIND)},
        summary="How a release is doing",
    )
    async def status(name: Name) -> Response:
        return json_reply(wire.wire_watched(await desk.watched(name)))

    @router.post(
        "/v1/releases/{name}/split",
        responses={200: {"model": wire.WireRelease}, **_FAULTS},
        summary="Try it with another share, or in another way",
    )
    async def split(name: Name, body: wire.SplitBody, request: Request) -> Response:
        by = exchange_of(request.scope).caller
        return json_reply(wire.wire_release(await desk.split(name, body.weight, body.mode, by)))

    @router.post(
        "/v1/releases/{name}/golden",
        responses={200: {"model": wire.WireRelease}, **_FAULTS},
        summary="Ask golden questions of it and of what serves",
    )
    async def golden(name: Name, body: wire.GoldenBody, request: Request) -> Response:
        release = await desk.asked(name, body.golden(), context_of(request), anew=body.anew, complete=body.complete)
        return json_reply(wire.wire_release(release))

    @router.post(
        "/v1/releases/{name}/promote",
        responses={200: {"model": wire.WireRelease}, **_FAULTS},
        summary="Let it serve everybody, if what was measured lets it",
    )
    async def promote(name: Name, body: wire.PromoteReleaseBody, request: Request) -> Response:
        by = exchange_of(request.scope).caller
        return json_reply(wire.wire_release(await desk.promote(name, by, context_of(request), force=body.force)))

    @router.post(
        "/v1/releases/{name}/rollback",
        responses={200: {"model": wire.WireRelease}, **_FAULTS},
        summary="Take it back",
    )
    async def rollback(name: Name, body: wire.RollbackReleaseBody, request: Request) -> Response:
        by = exchange_of(request.scope).caller
        return json_reply(wire.wire_release(await desk.rollback(name, by, body.reason, context_of(request))))

    return router
