"""Clients that cost next to nothing: so many at a time, each one request after the other, on loopback only."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools
import orjson


@dataclass(slots=True)
class Load:
    """What came of it. Seconds from asking to the first byte of text; `broken` says what was wrong with an answer.

    `gaps_s` are the seconds between two pieces of a stream.
    """

    first_s: list[float] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    answers: int = 0


# About 2,000 characters.
STRING = ("How long is a piece of string? " * 65)[:2000]


def request(url: str, *, stream: bool, key: str = "", tokens: int = 64, said: str = STRING) -> bytes:
    """A whole chat request as bytes."""
    body = orjson.dumps(
        {
            "model": "steady",
            "stream": stream,
            "max_tokens": tokens,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": said}],
        }
    )
    host = urlsplit(url).netloc
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key or 'none'}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


class _Client(asyncio.Protocol):
    """Asks, reads to the end, asks again until `left` is empty."""

    def __init__(self, left: list[bytes], load: Load, tokens: int, *, stream: bool) -> None:
        self._left = left
        self._load = load
        self._tokens = tokens
        self._stream = stream
        self._ended = True
        self._transport: asyncio.Transport
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        if not self._left:
            self._transport.close()
            return
        wanted = self._left.pop()
        self._parser = httptools.HttpResponseParser(self)
        self._told: list[bytes] = []
        self._first_s = self._came_s = 0.0
        self._ended = False
        self._asked_s = time.perf_counter()
        self._transport.write(wanted)

    def data_received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        if self._first_s:
            self._load.gaps_s.append(now_s - self._came_s)
        elif b"word0" in data:
            self._first_s = now_s - self._asked_s
        self._came_s = now_s
        self._parser.feed_data(data)
        if self._ended:
            self._take()
            self._ask()

    def on_body(self, body: bytes) -> None:
        self._told.append(body)

    def on_message_complete(self) -> None:
        self._ended = True

    def _take(self) -> None:
        body, status = b"".join(self._told), self._parser.get_status_code()
        self._load.answers += 1
        whole = body.count(b"word") == self._tokens and (not self._stream or b"data: [DONE]" in body)
        if status != 200 or not whole:
            self._load.broken.append(f"{status} {body[:200]!r}")
        elif self._first_s:
            self._load.first_s.append(self._first_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            if not self._ended:
                self._load.broken.append(f"connection lost: {exc}")
            self.over.set_result(None)


async def drive(url: str, clients: int, answers: int, *, stream: bool, key: str = "", tokens: int = 64) -> Load:
    """`answers` in all, by `clients` at a time. Raises `TimeoutError` after two minutes."""
    wanted = request(url, stream=stream, key=key, tokens=tokens)
    return await asked(url, [wanted] * answers, clients, stream=stream, tokens=tokens)


async def asked(url: str, requests: Sequence[bytes], clients: int, *, stream: bool, tokens: int = 64) -> Load:
    """The same with requests of their own."""
    place = urlsplit(url)
    loop, load, left = asyncio.get_running_loop(), Load(), list(requests)
    made = [
        await loop.create_connection(
            lambda: _Client(left, load, tokens, stream=stream), place.hostname or "", place.port or 0
        )
        for _ in range(min(clients, len(requests)))
    ]
    try:
        async with asyncio.timeout(120):
            await asyncio.gather(*(client.over for _, client in made))
    finally:
        for transport, _ in made:
            transport.abort()
    return load
