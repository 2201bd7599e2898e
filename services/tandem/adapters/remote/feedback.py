"""Feedback, and who was forgotten, that a retriever keeps for its gateways."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, astuple
from typing import Any, TypeVar
from uuid import uuid4

import orjson
from pydantic import TypeAdapter, ValidationError

from tandem.adapters.remote.peer import Peer, peer
from tandem.domain.context import RequestContext
from tandem.domain.errors import PermissionDenied, UpstreamFailed, UpstreamUnavailable
from tandem.domain.feedback import Feedback
from tandem.ports.feedback import MAX_PAGE, FeedbackCursor, FeedbackFilter, FeedbackPage
from tandem.ports.forgotten import Forgetting

T = TypeVar("T")
_ROOT = "/v1/peer/feedback"
_FORGOTTEN = "/v1/peer/forgotten"
_OPINIONS = TypeAdapter(tuple[Feedback, ...])
_NOTES = TypeAdapter(list[Forgetting])
_CURSOR = TypeAdapter(tuple[float, str, str, str] | None)
_ANY = TypeAdapter(dict[str, Any])


class _Calls:
    """POST and its like, with JSON both ways."""

    def __init__(self, connected: Peer, timeout_s: float) -> None:
        self._peer = connected
        self._timeout_s = timeout_s

    async def ask(self, method: str, path: str, whose: str = "", /, **content: Any) -> dict[str, Any]:
        """The answer; `whose` is the tenant that it is asked for."""
        # Nobody's request: what is deleted or noted is so when there is time.
        context = RequestContext(f"state-{uuid4().hex}", whose) if whose else None
        reads = method == "GET"
        try:
            body = await self._peer.call(
                method,
                path,
                context,
                timeout_s=self._timeout_s,
                body=None if reads else orjson.dumps(_plain(content)),
                media_type=None if reads else "application/json",
                reads=reads,
            )
        except PermissionDenied as error:
            # Passed on as it is, it would tell the caller that the caller may not.
            raise UpstreamUnavailable(
                "The retriever keeps no feedback for this key.",
                hint="Mark the key of retriever.api_key with peer: true there, or set state.url.",
                stage="state",
            ) from error
        return _read(_ANY, body)


class RemoteFeedback:
    """`ports/feedback.py` over `/v1/peer/feedback`, which takes a key marked `peer`."""

    def __init__(self, connected: Peer, timeout_s: float) -> None:
        self._calls = _Calls(connected, timeout_s)

    async def give(self, feedback: Feedback) -> bool:
        """Kept there."""
        content = asdict(feedback)
        told = await self._calls.ask("PUT", _ROOT, content.pop("tenant"), **content)
        return bool(told["known"])

    async def about(self, tenant: str, receipt_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """Looked up there."""
        told = await self._calls.ask("POST", f"{_ROOT}/about", tenant, receipt_ids=list(receipt_ids[:MAX_PAGE]))
        return _taken(_OPINIONS, told["feedback"])

    async def page(
        self, tenant: str, wanted: FeedbackFilter, *, limit: int, after: FeedbackCursor | None = None
    ) -> FeedbackPage:
        """Listed there."""
        place = None if after is None else list(astuple(after))
        told = await self._calls.ask(
            "POST", f"{_ROOT}/page", tenant, **asdict(wanted), limit=min(limit, MAX_PAGE), after=place
        )
        behind = _taken(_CURSOR, told.get("next_after"))
        return FeedbackPage(_taken(_OPINIONS, told["feedback"]), behind and FeedbackCursor(*behind))

    async def tenants(self) -> tuple[str, ...]:
        """Those that gave any there."""
        return tuple((await self._calls.ask("GET", f"{_ROOT}/tenants"))["tenants"])

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        receipt_ids: Sequence[str] | None = None,
    ) -> int:
        """Deleted there, receipts some at a time."""
        parts: list[list[str] | None] = [None]
        if receipt_ids is not None:
            parts = [list(receipt_ids[at : at + MAX_PAGE]) for at in range(0, len(receipt_ids), MAX_PAGE)]
        gone = 0
        for part in parts:
            told = await self._calls.ask("POST", f"{_ROOT}/forget", tenant, user=user, before=before, receipt_ids=part)
            gone += int(told["count"])
        return gone


class RemoteForgotten:
    """`ports/forgotten.py` over `/v1/peer/forgotten`."""

    def __init__(self, connected: Peer, timeout_s: float) -> None:
        self._calls = _Calls(connected, timeout_s)

    async def note(self, forgetting: Forgetting) -> None:
        """Kept there."""
        await self._calls.ask("PUT", _FORGOTTEN, **asdict(forgetting))

    async def all(self) -> Sequence[Forgetting]:
        """Listed there."""
        return _taken(_NOTES, (await self._calls.ask("GET", _FORGOTTEN))["forgotten"])

    async def drop(self, before: float) -> int:
        """Dropped there."""
        return int((await self._calls.ask("POST", f"{_FORGOTTEN}/drop", before=before))["count"])


def _plain(value: Any) -> Any:
    """JSON holds no half of a pair, and the peer takes no NUL."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _read(shape: TypeAdapter[T], body: bytes) -> T:
    try:
        return shape.validate_json(body)
    except ValidationError as error:
        raise _foreign(error) from error


def _taken(shape: TypeAdapter[T], value: Any) -> T:
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        raise _foreign(error) from error


def _foreign(error: ValidationError) -> UpstreamFailed:
    return UpstreamFailed(
        f"The retriever's feedback cannot be read: {error.errors()[0]['msg']}.", hint="Is it a Tandem of this version?"
    )


@asynccontextmanager
async def remote_feedback(
    url: str, *, api_key: str | None = None, timeout_s: float = 30.0, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[tuple[RemoteFeedback, RemoteForgotten]]:
    """Both at `url`."""
    async with peer(url, api_key, now_s, stage="state") as connected:
        yield RemoteFeedback(connected, timeout_s), RemoteForgotten(connected, timeout_s)
