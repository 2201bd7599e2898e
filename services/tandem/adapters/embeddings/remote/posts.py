"""Calls to an embedding server: their time, their failures in our own terms, and what waits for a server that is full."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tandem.domain.errors import Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.steps import trace_headers

_CONNECT_S = 2.0
_AWAY = frozenset({502, 503, 504})
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds: `timeout_s` for one call, `patience_s` in all that documents wait for a server that is full or away."""

    timeout_s: float
    patience_s: float


class Posts:
    """JSON to one server and back. `at_once` bounds the documents' calls that run; questions are not held up by them."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        waits: Waits,
        at_once: int,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._waits = waits
        self._turns = asyncio.Semaphore(at_once)
        self._pause = pause

    async def get(self, path: str) -> Any:
        """The JSON there. Raises `UpstreamUnavailable`, `UpstreamFailed`."""
        return await self._call("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer, or the failure at once: somebody waits. Raises `Overloaded` too."""
        return await self._call("POST", path, orjson.dumps(body))

    async def post_patiently(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer of a server that may be full or restarting: its `Retry-After` is honoured, else pauses double.

        Raises what `post` raises once `patience_s` of pauses are used up.
        """
        content = orjson.dumps(body)
        async with self._turns:
            waited_s, pause_s = 0.0, _FIRST_PAUSE_S
            while True:
                try:
                    return await self._call("POST", path, content)
                except (Overloaded, UpstreamUnavailable) as error:
                    next_s = min(max(error.retry_after_s or 0.0, pause_s), _LONGEST_PAUSE_S)
                    if waited_s + next_s > self._waits.patience_s:
                        raise
                await self._pause(next_s)
                waited_s, pause_s = waited_s + next_s, min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _call(self, method: str, path: str, content: bytes | None) -> Any:
        limit = asyncio.timeout(self._waits.timeout_s)
        try:
            async with (
                limit,
                self._session.request(
                    method,
                    self._url + path,
                    data=content,
                    headers={"content-type": "application/json", **trace_headers()},
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                    # A redirect could carry the key to another host.
                    allow_redirects=False,
                ) as reply,
            ):
                answer = await reply.read()
                if reply.status != 200:
                    raise _failure(reply.status, answer, reply.headers.get("retry-after"))
        except TimeoutError as error:
            waited_s = self._waits.timeout_s if limit.expired() else _CONNECT_S
            raise _away(f"did not answer in {waited_s:.1f} s") from error
        except aiohttp.InvalidURL as error:
            raise UpstreamFailed(f"{self._url!r} is no URL.", hint="Check embedder.url.") from error
        except aiohttp.ClientError as error:
            raise _away(f"cannot be reached: {str(error) or type(error).__name__}") from error
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise unreadable() from error


def unreadable() -> UpstreamFailed:
    """The error of an answer that is not what the protocol says."""
    return UpstreamFailed(
        "The embedding server's answer cannot be read.", hint="Do embedder.url and embedder.protocol fit together?"
    )


def _away(what: str, retry_after_s: float | None = None) -> UpstreamUnavailable:
    return UpstreamUnavailable(f"The embedding server {what}.", hint="Check embedder.url.", retry_after_s=retry_after_s)


def _failure(status: int, content: bytes, retry_after: str | None) -> TandemError:
    if status == 429:
        return Overloaded("The embedding server has no room.", retry_after_s=_seconds(retry_after))
    if status in _AWAY:
        return _away(f"is away: status {status}", None if retry_after is None else _seconds(retry_after))
    said = content[:200].decode("utf-8", "replace")
    hints = {
        401: "Check embedder.api_key.",
        403: "Check embedder.api_key.",
        404: "Check embedder.url (without a path), embedder.protocol and embedder.model.",
        413: "A text, or a batch of them, is too long: lower embedder.max_tokens or embedder.batch_tokens.",
    }
    return UpstreamFailed(
        f"The embedding server answered {status}: {said}",
        hint=hints.get(status, "Check embedder.protocol, embedder.model and embedder.max_tokens."),
    )


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0.0))
    except ValueError:
        # A date: whoever sends one is not in a hurry.
        return 1.0
