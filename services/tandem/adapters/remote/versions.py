"""Versions of collections at another Tandem."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from pydantic import TypeAdapter, ValidationError

from tandem.adapters.remote.peer import Peer
from tandem.domain.context import RequestContext
from tandem.domain.errors import UpstreamFailed
from tandem.domain.lineage import Place, Version
from tandem.ports.versions import NOTHING_LEFT, Build, Carried, Left, Promotion

T = TypeVar("T")

# What comes is read into the domain's own shapes; fields of another version of Tandem are passed over.
_VERSION = TypeAdapter(Version)
_VERSIONS = TypeAdapter(dict[str, tuple[Version, ...]])
_BUILD = TypeAdapter(Build)
_CARRIED = TypeAdapter(Carried)


class RemoteVersions:
    """`ports/versions.py` over `/v1/collections/{name}/…`. Golden questions take their time, hence the long bound."""

    def __init__(self, peer: Peer, timeout_s: float) -> None:
        self._peer = peer
        self._timeout_s = timeout_s

    async def versions(self, collection: str, context: RequestContext) -> tuple[Version, ...]:
        """The peer's."""
        path = _path(collection, "versions")
        body = await self._peer.call("GET", path, context, timeout_s=self._timeout_s, reads=True)
        return _read(_VERSIONS, body)["data"]

    async def begin(
        self, collection: str, context: RequestContext, *, places: Sequence[Place] = (), anew: bool = False
    ) -> Build:
        """Made there."""
        body = await self._post(collection, "builds", context, {"places": _places(places), "anew": anew})
        return _read(_BUILD, body)

    async def carry(
        self, version: str, context: RequestContext, *, left: Left = NOTHING_LEFT, after: str | None = None
    ) -> Carried:
        """There, from one version to the other."""
        said = {"origins": list(left.origins), "roots": list(left.roots), "after": after}
        return _read(_CARRIED, await self._post(version, "carry", context, said))

    async def finish(self, version: str, context: RequestContext) -> Version:
        """Complete there."""
        return _read(_VERSION, await self._post(version, "finish", context, None))

    async def promote(self, collection: str, wish: Promotion, context: RequestContext) -> Version:
        """Judged and promoted there."""
        golden = None
        if wish.golden is not None:
            golden = [{"question": each.question, "document_ids": list(each.document_ids)} for each in wish.golden]
        said = {"version": wish.version, "golden": golden, "force": wish.force}
        return _read(_VERSION, await self._post(collection, "promote", context, said))

    async def rollback(self, collection: str, context: RequestContext, *, of: str | None = None) -> Version:
        """Rolled back there."""
        said = None if of is None else {"of": of}
        return _read(_VERSION, await self._post(collection, "rollback", context, said))

    async def drop(self, version: str, context: RequestContext) -> None:
        """Gone there."""
        path = f"/v1/collections/{quote(version, safe='')}"
        await self._peer.call("DELETE", path, context, timeout_s=self._timeout_s)

    async def came_from(self, collection: str, places: Sequence[Place], context: RequestContext) -> None:
        """Noted there."""
        await self._post(collection, "sources", context, {"places": _places(places)})

    async def _post(self, name: str, what: str, context: RequestContext, said: Mapping[str, Any] | None) -> bytes:
        return await self._peer.call(
            "POST",
            _path(name, what),
            context,
            timeout_s=self._timeout_s,
            body=None if said is None else orjson.dumps(said),
            media_type=None if said is None else "application/json",
        )


def _places(places: Sequence[Place]) -> list[dict[str, Any]]:
    return [asdict(each) for each in places]


def _path(name: str, what: str) -> str:
    return f"/v1/collections/{quote(name, safe='')}/{what}"


def _read(shape: TypeAdapter[T], body: bytes) -> T:
    try:
        return shape.validate_json(body)
    except ValidationError as error:
        raise UpstreamFailed(
            f"The retriever's answer cannot be read: {error.error_count()} faults, first {error.errors()[0]['msg']}.",
            hint="Is it a Tandem of this version?",
        ) from error
