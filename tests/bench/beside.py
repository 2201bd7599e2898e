"""What jobs cost those who wait, over real sockets: first tokens at half a model's capacity, with and without a full queue.

The model has 16 slots and a queue of its own (as in `overload`). Jobs and answers are made by one process. Turns with and
without jobs follow each other; a value is the 99th percentile of all first tokens, with over without.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._load import STRING, request  # noqa: E402
from bench._open_loop import Arrivals, offer  # noqa: E402
from bench._tandem import Tandem  # noqa: E402
from bench.overload import CAPACITY, SLOTS, TOKENS, gateway, model  # noqa: E402
from fakes.slotted_llm import Slots  # noqa: E402

LOAD = 0.5
ONLINE, BATCH = "north", "heavy"
JOB = {"messages": [{"role": "user", "content": STRING[:500]}], "max_tokens": TOKENS}


async def _submitted(http: aiohttp.ClientSession, count: int) -> None:
    async def one() -> None:
        async with http.post("/v1/jobs", json=JOB) as reply:
            if reply.status != 202:
                raise RuntimeError(await reply.text())

    for first in range(0, count, 50):
        await asyncio.gather(*(one() for _ in range(min(50, count - first))))


async def _called_off(http: aiohttp.ClientSession) -> int:
    """Those that have not ended; how many had."""
    done, after = 0, ""
    while True:
        async with http.get("/v1/jobs", params={"limit": 200, **({"after": after} if after else {})}) as reply:
            page = await reply.json()
        done += sum(bool(each["status"] == "succeeded") for each in page["data"])
        left = [each["id"] for each in page["data"] if each["status"] in ("queued", "running")]
        await asyncio.gather(*(_delete(http, each) for each in left))
        if page["next_after"] is None:
            return done
        after = page["next_after"]


async def _delete(http: aiohttp.ClientSession, job_id: str) -> None:
    async with http.delete(f"/v1/jobs/{job_id}"):
        pass


async def _first_tokens(platform: Tandem, seconds: float) -> list[float]:
    asked = request(platform.url, stream=True, key=ONLINE, tokens=TOKENS, said=STRING[:500])
    answers = await offer(platform.url, Arrivals({ONLINE: LOAD * CAPACITY}, {ONLINE: asked}), seconds, patience_s=5)
    missing = [each for each in answers if not each.whole]
    if missing:
        sys.stderr.write(f"{len(missing)} of {len(answers)} were not answered: {missing[0].status}\n")
    return [each.first_s if each.whole else 5.0 for each in answers]


async def measured(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Turn by turn."""
    without: list[float] = []
    beside: list[float] = []
    done = 0
    async with model(Slots(SLOTS)) as url, gateway(url, jobs__concurrency=2 * SLOTS) as platform:
        headers = {"authorization": f"Bearer {BATCH}"}
        async with aiohttp.ClientSession(platform.url, headers=headers) as http:
            await _first_tokens(platform, seconds)
            for _ in range(rounds):
                without += await _first_tokens(platform, seconds)
                await _submitted(http, int(1.5 * CAPACITY * (seconds + 2)))
                await asyncio.sleep(2)
                beside += await _first_tokens(platform, seconds)
                done = await _called_off(http)
                await asyncio.sleep(1)
            gave_way = (await platform.metrics()).get(
                'tandem_pool_refusals_total{pool="default",reason="preempted"}', 0
            )
    sys.stderr.write(
        f"{len(without)} answers without jobs: p50 {_at(without, 0.5):.0f} ms, p99 {_at(without, 0.99):.0f} ms; "
        f"{len(beside)} with: p50 {_at(beside, 0.5):.0f} ms, p99 {_at(beside, 0.99):.0f} ms; "
        f"{done} jobs done, {gave_way:.0f} gave way\n"
    )
    ratio = _at(beside, 0.99) / _at(without, 0.99)
    return [
        {"name": "p99_with_jobs_vs_without", "value": round(ratio, 3), "goal": 1.1, "ok": ratio <= 1.1},
        {"name": "jobs_done", "value": done, "goal": 1, "ok": done >= 1},
    ]


def _at(values: list[float], share: float) -> float:
    return 1000 * sorted(values)[int(share * len(values))]


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=4)
    flags = parser.parse_args()
    rows = uvloop.run(measured(flags.rounds, flags.seconds))
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")
    sys.exit(0 if all(row["ok"] for row in rows) else 1)


if __name__ == "__main__":
    main()
