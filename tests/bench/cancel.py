"""1,000 clients leave at random moments: what the model still says to nobody, how soon it is left, and which slots are lost.

Some leave before the first token, some in the queue, some in mid-answer; some wait for a stream, some for a whole answer.
The model counts what it says, and runs in this process, so that the moment of leaving and the count are of one clock.
"""

import argparse
import asyncio
import gc
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._load import drive, request  # noqa: E402
from bench._tandem import Tandem, tandem  # noqa: E402
from fakes.raw_llm import Steady, pieces, whole  # noqa: E402

SLOTS, AT_A_TIME, TOKENS, GAP_S, LONGEST_STAY_S = 24, 40, 400, 0.05, 1.2
_NUMBER = re.compile(rb"client (\d+)")


@dataclass(slots=True)
class Book:
    """By client: words said to it, when it left and what had been said then, when the model's connection ended."""

    said: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    left: dict[int, tuple[float, int]] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)


class Counting(Steady):
    """Counts each word in the moment it is said; a client without a number gets its answer at once."""

    def __init__(self, book: Book) -> None:
        super().__init__(pieces(TOKENS), whole(64), GAP_S)
        self._book = book
        self._number: int | None = None

    def on_message_complete(self) -> None:
        """Another question on this connection."""
        found = _NUMBER.search(b"".join(self._body))
        self._number = int(found[1]) if found else None
        if self._number is None:
            self._gap_s = 0.0
        else:
            self._gap_s = GAP_S
            self._book.open.add(self._number)
            # Whole or not, it takes its time and is counted.
            self._body = [b'"stream":true']
        super().on_message_complete()

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody listens any more."""
        super().connection_lost(error)
        if self._number is not None:
            self._book.ended[self._number] = time.perf_counter()
            self._book.open.discard(self._number)

    def _tell(self, number: int) -> None:
        if self._number is not None:
            self._book.said[self._number] += 1
        super()._tell(number)


class Leaver(asyncio.Protocol):
    """Asks, waits, leaves."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._wanted)


async def _leave(url: str, number: int, stay_s: float, book: Book) -> None:
    asked = request(url, stream=number % 4 != 0)
    said = asked.replace(b"Be brief.", b"client %d" % number)
    wanted = re.sub(rb"content-length: \d+", b"content-length: %d" % len(said.partition(b"\r\n\r\n")[2]), said)
    place = urlsplit(url)
    _, client = await asyncio.get_running_loop().create_connection(
        lambda: Leaver(wanted), place.hostname or "", place.port or 0
    )
    await asyncio.sleep(stay_s)
    book.left[number] = time.perf_counter(), book.said[number]
    if number % 3:
        client.transport.close()
    else:
        client.transport.abort()


async def _storm(platform: Tandem, clients: int, book: Book) -> None:
    chance = random.Random(7)
    room = asyncio.Semaphore(AT_A_TIME)

    async def client(number: int, stay_s: float) -> None:
        async with room:
            await _leave(platform.url, number, stay_s, book)

    await asyncio.gather(*(client(number, chance.uniform(0, LONGEST_STAY_S)) for number in range(clients)))


async def _settled(what: Awaitable[Any], book: Book) -> None:
    await what
    ends = time.perf_counter() + 5
    while book.open and time.perf_counter() < ends:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)


async def _measure(clients: int) -> list[dict[str, Any]]:
    book = Book()
    # A look at all modules for garbage would stop the model and the clients, and count as the gateway's delay.
    gc.collect()
    gc.freeze()
    server = await asyncio.get_running_loop().create_server(lambda: Counting(book), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    limits = {f"admission__{name}": SLOTS for name in ("initial", "min", "max")}
    opening = tandem(url, **limits)
    platform = await asyncio.to_thread(opening.__enter__)
    try:
        await _settled(_storm(platform, clients, book), book)
        metrics = await platform.metrics()
        # As many at a time as there are slots: each of them is there, or this takes too long.
        load = await drive(platform.url, SLOTS, 4 * SLOTS, stream=False, tokens=TOKENS)
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)
        server.close()
    return _figures(book, metrics, len(load.broken))


def _figures(book: Book, metrics: dict[str, float], broken: int) -> list[dict[str, Any]]:
    after = [book.said[number] - said for number, (_, said) in book.left.items()]
    freed_ms = sorted((ended - book.left[number][0]) * 1000 for number, ended in book.ended.items())
    held = sum(metrics[f'tandem_pool_{what}{{pool="default"}}'] for what in ("running", "waiting"))
    # The one that asks for the metrics.
    held += metrics["tandem_requests_in_flight"] - 1
    stages = {name: int(value) for name, value in metrics.items() if name.startswith("tandem_client_closed_total")}
    sys.stderr.write(f"{len(after)} left, {len(freed_ms)} of them had come to the model; {stages}\n")
    return [
        _figure("tokens_after_leaving", max(after), 2),
        _figure("slots_lost", int(held) + len(book.open) + broken, 0),
        _figure("freed_ms_p50", round(freed_ms[len(freed_ms) // 2], 1), None),
        _figure("freed_ms_p99", round(freed_ms[int(0.99 * len(freed_ms))], 1), 100),
    ]


def _figure(name: str, value: float, goal: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "goal": goal, "ok": goal is None or value <= goal}


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--clients", type=int, default=1000)
    figures = uvloop.run(_measure(parser.parse_args().clients))
    for figure in figures:
        sys.stdout.write(json.dumps(figure) + "\n")
    sys.exit(0 if all(figure["ok"] for figure in figures) else 1)


if __name__ == "__main__":
    main()
