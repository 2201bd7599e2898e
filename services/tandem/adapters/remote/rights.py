"""An admin's view of a running Tandem: what people thought of answers, and what is kept of one of them."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import orjson
from pydantic import TypeAdapter, ValidationError

from tandem.adapters.remote.peer import Peer, json_body, peer
from tandem.domain.context import RequestContext
from tandem.domain.errors import UpstreamFailed
from tandem.domain.feedback import Feedback
from tandem.domain.record import AnswerRecord
from tandem.ports.feedback import FeedbackFilter

_FEEDBACK = TypeAdapter(Feedback)
_RECORD = TypeAdapter(AnswerRecord)


class Rights:
    """Calls that take an admin's key; the tenant is the key's own."""

    def __init__(self, connected: Peer, timeout_s: float) -> None:
        self._peer = connected
        self._timeout_s = timeout_s

    async def rated(self, wanted: FeedbackFilter) -> tuple[str, list[Feedback], list[AnswerRecord]]:
        """The tenant, its opinions, and the records they are about. Raises `UpstreamFailed` when they come cut short."""
        query = {"label": wanted.label, "since": _instant(wanted.since), "until": _instant(wanted.until)}
        tenant, opinions, records = "", list[Feedback](), list[AnswerRecord]()
        for kind, value in await self._lines("/v1/feedback/export", query):
            try:
                if kind == "feedback":
                    opinions.append(_FEEDBACK.validate_python(value))
                elif kind == "receipt":
                    # Tuples are told as lists, and as such they are read from JSON only.
                    records.append(_RECORD.validate_json(orjson.dumps(value)))
                elif kind == "end":
                    tenant = value["tenant"]
            except ValidationError as error:
                raise _foreign(error.errors()[0]["msg"]) from error
        return tenant, opinions, records

    async def personal(self, user: str) -> list[tuple[str, Any]]:
        """Everything that is kept of a user, by kind."""
        return await self._lines("/v1/privacy/export", {"user": user})

    async def delete(self, user: str) -> dict[str, Any]:
        """What was deleted."""
        body = await self._call("POST", "/v1/privacy/delete", body=json_body({"user": user}))
        told: dict[str, Any] = _json(body)
        return told

    async def listed(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """A page of opinions."""
        told: dict[str, Any] = _json(await self._call("GET", "/v1/feedback", query=query))
        return told

    async def _lines(self, path: str, query: Mapping[str, Any]) -> list[tuple[str, Any]]:
        lines = [_json(line) for line in (await self._call("GET", path, query=query)).splitlines()]
        if not lines or lines[-1].get("kind") != "end":
            raise UpstreamFailed("The answer was cut short.", hint="Try again.")
        return [(line["kind"], line["value"]) for line in lines]

    async def _call(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: bytes | None = None
    ) -> bytes:
        return await self._peer.call(
            method,
            path,
            RequestContext(f"cli-{uuid4().hex}"),
            timeout_s=self._timeout_s,
            query=query,
            body=body,
            media_type=None if body is None else "application/json",
            reads=method == "GET",
        )


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else repr(seconds)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _foreign("no JSON") from error


def _foreign(why: str) -> UpstreamFailed:
    return UpstreamFailed(f"The answer cannot be read: {why}.", hint="Is it a Tandem of this version?")


@asynccontextmanager
async def rights(url: str, *, api_key: str | None, timeout_s: float) -> AsyncIterator[Rights]:
    """At `url`."""
    async with peer(url, api_key, time.monotonic, stage="state", as_peer=False) as connected:
        yield Rights(connected, timeout_s)
