"""Receipts that a retriever keeps for its gateways."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import uuid4

import orjson
from pydantic import TypeAdapter, ValidationError

from tandem.adapters.remote.peer import Peer, peer
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    DocumentRejected,
    PayloadTooLarge,
    PermissionDenied,
    UnknownReceipt,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.record import AnswerRecord
from tandem.ports.receipts import Cursor, ReceiptFilter, ReceiptPage

T = TypeVar("T")
_ROOT = "/v1/peer/receipts"
# Records go in bodies of about this size; a larger one goes alone.
_BODY_BYTES = 1_000_000
_RECORD = TypeAdapter(AnswerRecord)
_PAGE = TypeAdapter(ReceiptPage)
_ANY = TypeAdapter(dict[str, Any])


class RemoteReceipts:
    """`ports/receipts.py` over `/v1/peer/receipts`, which takes a key marked `peer`."""

    def __init__(self, connected: Peer, timeout_s: float) -> None:
        self._peer = connected
        self._timeout_s = timeout_s

    async def keep(self, records: Sequence[AnswerRecord]) -> None:
        """In several bodies where they are many: each is all or nothing, and one that comes again counts once."""
        # Beside the event loop: a batch takes milliseconds.
        for body in await asyncio.to_thread(_bodies, records):
            try:
                await self._call("POST", "", "", body=body)
            except PayloadTooLarge as error:
                raise DocumentRejected(
                    f"The retriever takes no record so large: {error.message}", reason="too_large"
                ) from error

    async def receipt(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
        """Looked up there."""
        try:
            return _read(_RECORD, await self._call("GET", "/one", tenant, {"id": receipt_id}))
        except UnknownReceipt:
            return None

    async def judged(self, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
        """Scored there."""
        body = orjson.dumps({"id": receipt_id, "scores": dict(scores)})
        told = _read(_ANY, await self._call("POST", "/scores", tenant, body=body))
        return bool(told["known"])

    async def page(self, tenant: str, wanted: ReceiptFilter, *, limit: int, after: Cursor | None = None) -> ReceiptPage:
        """Listed there."""
        query: dict[str, Any] = {**asdict(wanted), "limit": limit}
        if after is not None:
            query |= {"after_at": repr(after.began_at), "after_id": after.id}
        return await asyncio.to_thread(_read, _PAGE, await self._call("GET", "", tenant, query))

    async def tenants(self) -> tuple[str, ...]:
        """Those that have some there."""
        return tuple(_read(_ANY, await self._call("GET", "/tenants", ""))["tenants"])

    async def forget(self, tenant: str, *, user: str | None = None, before: float | None = None) -> int:
        """Deleted there."""
        query = {"user": user, "before": before}
        return int(_read(_ANY, await self._call("DELETE", "", tenant, query))["forgotten"])

    async def _call(
        self, method: str, what: str, tenant: str, query: Mapping[str, Any] | None = None, body: bytes | None = None
    ) -> bytes:
        # Nobody's request: what is shipped is shipped when there is time.
        context = RequestContext(f"state-{uuid4().hex}", tenant) if tenant else None
        media_type = None if body is None else "application/json"
        try:
            return await self._peer.call(
                method,
                _ROOT + what,
                context,
                timeout_s=self._timeout_s,
                query=query,
                body=body,
                media_type=media_type,
                reads=method == "GET",
            )
        except PermissionDenied as error:
            # Passed on as it is, it would tell the caller that the caller may not.
            raise UpstreamUnavailable(
                "The retriever keeps no receipts for this key.",
                hint="Mark the key of retriever.api_key with peer: true there, or set state.url.",
                stage="state",
            ) from error


def _bodies(records: Sequence[AnswerRecord]) -> list[bytes]:
    """JSON arrays. Raises `DocumentRejected`."""
    found: list[bytes] = []
    some: list[bytes] = []
    size = 0
    for record in records:
        try:
            one = orjson.dumps(record)
        except TypeError as error:
            raise DocumentRejected(
                f"The receipt {record.id} cannot be written: {error}.", reason="unstorable"
            ) from error
        if some and size + len(one) > _BODY_BYTES:
            found.append(b"[" + b",".join(some) + b"]")
            some, size = [], 0
        some.append(one)
        size += len(one)
        time.sleep(0)  # noqa: TID251 - in a thread, for no time: the event loop waits for its turn to end
    return [*found, b"[" + b",".join(some) + b"]"] if some else found


def _read(shape: TypeAdapter[T], body: bytes) -> T:
    try:
        return shape.validate_json(body)
    except ValidationError as error:
        raise UpstreamFailed(
            f"The retriever's receipts cannot be read: {error.errors()[0]['msg']}.",
            hint="Is it a Tandem of this version?",
        ) from error


@asynccontextmanager
async def remote_receipts(
    url: str, *, api_key: str | None = None, timeout_s: float = 30.0, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[RemoteReceipts]:
    """Receipts at `url`."""
    async with peer(url, api_key, now_s, stage="state") as connected:
        yield RemoteReceipts(connected, timeout_s)
