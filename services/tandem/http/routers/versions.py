"""Versions of collections: built beside the one that serves, promoted, rolled back, dropped."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from tandem.http.exchange import context_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import admin_only
from tandem.http.reply import json_reply
from tandem.http.wire import versions as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import CollectionName
from tandem.ports.ingestor import Ingestor

Name = Annotated[CollectionName, Path(description="A collection (docs) or a version of it (docs@3).")]


def versions_router(ingestor: Ingestor) -> APIRouter:
    """A version holds every tenant's documents, so all of this takes an admin; but a place may be noted by who reads it."""
    router = APIRouter(tags=["collections"], route_class=JsonRoute)
    versions = ingestor.versions

    @router.get(
        "/v1/collections/{name}/versions",
        responses={200: {"model": wire.WireVersions}, **faults(403, 404, *BEHIND)},
        summary="List a collection's versions with their lineage",
        dependencies=admin_only,
    )
    async def listing(name: Name, request: Request) -> Response:
        found = await versions.versions(name, context_of(request))
        return json_reply(wire.WireVersions(data=[wire.wire_version(each) for each in found]))

    @router.post(
        "/v1/collections/{name}/builds",
        responses={200: {"model": wire.WireBuild}, **faults(403, 404, 409, 415, 507, *BEHIND)},
        summary="Begin the next version, or go on with the one that is being built",
        dependencies=admin_only,
    )
    async def begin(name: Name, body: wire.BuildBody, request: Request) -> Response:
        build = await versions.begin(
            name, context_of(request), places=[each.place() for each in body.places], anew=body.anew
        )
        return json_reply(wire.wire_build(build))

    @router.post(
        "/v1/collections/{name}/carry",
        responses={200: {"model": wire.WireCarried}, **faults(403, 404, 415, 507, *BEHIND)},
        summary="Take documents over from the version it is built beside; call again with next_after",
        dependencies=admin_only,
    )
    async def carry(name: Name, body: wire.CarryBody, request: Request) -> Response:
        carried = await versions.carry(name, context_of(request), left=body.left(), after=body.after)
        return json_reply(wire.wire_carried(carried))

    @router.post(
        "/v1/collections/{name}/finish",
        responses={200: {"model": wire.WireVersion}, **faults(403, 404, *BEHIND)},
        summary="A version is complete",
        dependencies=admin_only,
    )
    async def finish(name: Name, request: Request) -> Response:
        return json_reply(wire.wire_version(await versions.finish(name, context_of(request))))

    @router.post(
        "/v1/collections/{name}/promote",
        responses={200: {"model": wire.WireVersion}, **faults(403, 404, 409, 415, 507, *BEHIND)},
        summary="Let a version serve, if the gate lets it",
        dependencies=admin_only,
    )
    async def promote(name: Name, body: wire.PromoteBody, request: Request) -> Response:
        return json_reply(wire.wire_version(await versions.promote(name, body.promotion(), context_of(request))))

    @router.post(
        "/v1/collections/{name}/rollback",
        responses={200: {"model": wire.WireVersion}, **faults(403, 404, 409, 415, *BEHIND)},
        summary="Back to the version that served before",
        dependencies=admin_only,
    )
    async def rollback(name: Name, request: Request, body: wire.RollbackBody | None = None) -> Response:
        of = None if body is None else body.of
        return json_reply(wire.wire_version(await versions.rollback(name, context_of(request), of=of)))

    @router.post(
        "/v1/collections/{name}/sources",
        responses={200: {"model": wire.PlacesNoted}, **faults(404, 415, *BEHIND)},
        summary="Note where documents were read from",
    )
    async def note(name: Name, body: wire.PlacesBody, request: Request) -> Response:
        await versions.came_from(name, [each.place() for each in body.places], context_of(request))
        return json_reply(wire.PlacesNoted(name=name, places=len(body.places)))

    return router
