"""5,000 streams that are open and say nothing: the memory that each takes, and how long a newcomer waits among them.

The model answers with two words and then keeps silent; keep-alive comments go on. Memory is the gateway's resident size,
compared between an eighth of the streams and all of them, so that pools and caches that fill once do not count.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._load import request  # noqa: E402
from bench._processes import cpu_s, rss_mb  # noqa: E402
from bench._tandem import Tandem, tandem  # noqa: E402
from fakes.raw_llm import Steady, pieces, whole  # noqa: E402
from tandem.app.files import file_limit  # noqa: E402

PATIENCE_S = 120.0
AT_A_TIME = 25


class Silent(Steady):
    """Says two words, and then nothing for as long as anybody listens."""

    def __init__(self) -> None:
        super().__init__(pieces(64), whole(64), 0.001)

    def _tell(self, number: int) -> None:
        if number < 2:
            super()._tell(number)


class Waiting(asyncio.Protocol):
    """A client that reads what comes; `spoken` once text did."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self.spoken: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._asked_s = time.perf_counter()
        self.transport.write(self._wanted)

    def data_received(self, data: bytes) -> None:
        if b"word1" in data and not self.spoken.done():
            self.spoken.set_result(time.perf_counter() - self._asked_s)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.spoken.done():
            self.spoken.set_exception(ConnectionError("closed without an answer"))


async def _opened(url: str, wanted: bytes, number: int) -> list[Waiting]:
    """So many streams in which text has come."""
    place, room = urlsplit(url), asyncio.Semaphore(AT_A_TIME)

    async def one() -> Waiting:
        async with room:
            _, client = await asyncio.get_running_loop().create_connection(
                lambda: Waiting(wanted), place.hostname or "", place.port or 0
            )
            await client.spoken
            return client

    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*(one() for _ in range(number)))


async def _gone(platform: Tandem) -> float:
    """Seconds until no stream is left; infinite when some are."""
    began = time.perf_counter()
    while time.perf_counter() - began < 30:
        metrics = await platform.metrics()
        if metrics["tandem_requests_in_flight"] == 1 and metrics['tandem_pool_running{pool="default"}'] == 0:
            return time.perf_counter() - began
        await asyncio.sleep(0.1)
    return float("inf")


def _files(platform: Tandem) -> int:
    return sum(1 for _ in Path(f"/proc/{platform.pid}/fd").iterdir())


async def _measure(streams: int, watch_s: float) -> list[dict[str, Any]]:
    server = await asyncio.get_running_loop().create_server(Silent, "127.0.0.1", 0, backlog=4096)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    limits = {f"admission__{name}": 2 * streams for name in ("initial", "min", "max")}
    settings = {"predictor__idle_timeout_s": 600, "server__request_timeout_s": 600, **limits}
    opening = tandem(url, **settings)
    platform = await asyncio.to_thread(opening.__enter__)
    try:
        wanted = request(platform.url, stream=True)
        files = _files(platform)
        few = max(1, streams // 8)
        held = await _opened(platform.url, wanted, few)
        before = rss_mb(platform.pid)
        held += await _opened(platform.url, wanted, streams - few)
        after = rss_mb(platform.pid)
        busy = cpu_s(platform.pid)
        await asyncio.sleep(watch_s)
        busy = cpu_s(platform.pid) - busy
        newcomers = await _opened(platform.url, wanted, 20)
        first_ms = sorted(client.spoken.result() * 1000 for client in newcomers)
        for client in held + newcomers:
            client.transport.abort()
        gone_s = await _gone(platform)
        left = _files(platform) - files
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)
        server.close()
    each = (after - before) * 1000 / (streams - few)
    sys.stderr.write(
        f"{streams} streams: {before:.0f} MB with {few}, {after:.0f} MB with all; gone in {gone_s:.1f} s\n"
    )
    return [
        _figure("kb_per_stream", round(each, 1), 40),
        _figure("idle_cpu_percent", round(busy / watch_s * 100, 1), None),
        _figure("newcomer_first_token_ms_p50", round(first_ms[10], 1), None),
        _figure("streams_left_behind", 0 if gone_s < float("inf") else 1, 0),
        # The connections kept to the model, and to whoever asks for the metrics.
        _figure("files_left_open", left, 16),
    ]


def _figure(name: str, value: float, goal: float | None) -> dict[str, Any]:
    return {"name": name, "value": value, "goal": goal, "ok": goal is None or value <= goal}


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--watch", type=float, default=5.0, help="seconds to watch the CPU for")
    flags = parser.parse_args()
    # A client and a model for each of them, in this process.
    if (most := file_limit() // 2 - 100) < flags.streams:
        raise SystemExit(f"The limit on open files allows {most} streams here.")
    figures = uvloop.run(_measure(flags.streams, flags.watch))
    for figure in figures:
        sys.stdout.write(json.dumps(figure) + "\n")
    sys.exit(0 if all(figure["ok"] for figure in figures) else 1)


if __name__ == "__main__":
    main()
