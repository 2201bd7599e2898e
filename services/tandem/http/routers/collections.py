"""Collections: which there are, and dropping one."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from tandem.domain.errors import UnknownCollection
from tandem.domain.lineage import is_version
from tandem.http.exchange import context_of
from tandem.http.permissions import admin_only
from tandem.http.reply import json_reply
from tandem.http.wire import documents as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import CollectionName
from tandem.ports.ingestor import Ingestor

Name = Annotated[CollectionName, Path()]


def collections_router(ingestor: Ingestor) -> APIRouter:
    """Everything is seen through the caller's tenant and groups; what concerns a whole collection takes an admin."""
    router = APIRouter(tags=["collections"])

    @router.get(
        "/v1/collections",
        responses={200: {"model": wire.WireCollections}, **faults(*BEHIND)},
        summary="List collections",
    )
    async def listing(request: Request) -> Response:
        found = await ingestor.collections(context_of(request))
        return json_reply(wire.WireCollections(data=[wire.wire_collection(info) for info in found]))

    @router.get(
        "/v1/collections/{name}",
        responses={200: {"model": wire.WireCollection}, **faults(404, *BEHIND)},
        summary="Show a collection",
    )
    async def show(name: Name, request: Request) -> Response:
        for info in await ingestor.collections(context_of(request)):
            if info.name == name:
                return json_reply(wire.wire_collection(info))
        hint = f"/v1/collections/{name.partition('@')[0]}/versions lists its versions." if is_version(name) else None
        raise UnknownCollection(f"There is no collection {name!r}.", hint=hint, param="collection")

    @router.delete(
        "/v1/collections/{name}",
        responses={200: {"model": wire.CollectionDeleted}, **faults(403, 404, *BEHIND)},
        summary="Drop a collection with everything in it, or a version that does not serve",
        dependencies=admin_only,
    )
    async def drop(name: Name, request: Request) -> Response:
        if is_version(name):
            await ingestor.versions.drop(name, context_of(request))
        else:
            await ingestor.drop_collection(name, context_of(request))
        return json_reply(wire.CollectionDeleted(name=name))

    @router.post(
        "/v1/collections/{name}/settle",
        responses={200: {"model": wire.CollectionSettled}, **faults(404, 507, *BEHIND)},
        summary="Index what was written; once after many puts",
    )
    async def settle(name: Name) -> Response:
        await ingestor.settle(name)
        return json_reply(wire.CollectionSettled(name=name))

    return router
