"""More than a slow model can serve, at 1, 2, 4 and 8 times what it can: answers in time, delay, fairness, cost of a refusal.

The model has fixed slots and a queue of its own, and tells nobody how many: the limit has to find out. Arrivals are open
loop, over real sockets. A good answer is a whole one whose first token came within `GOOD_S` of its arrival. One tenant
asks as often as ten of the others. A refusal's cost is the CPU that the gateway takes for the refused ones alone, over
what it takes for an answered one.
"""

import argparse
import asyncio
import gc
import hashlib
import json
import statistics
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._load import STRING, drive, request  # noqa: E402
from bench._open_loop import Answer, Arrivals, offer  # noqa: E402
from bench._processes import cpu_s  # noqa: E402
from bench._tandem import Tandem, tandem  # noqa: E402
from fakes.raw_llm import pieces, whole  # noqa: E402
from fakes.slotted_llm import Slots, Slotted  # noqa: E402

SLOTS, TOKENS, FIRST_S, GAP_S = 16, 16, 0.08, 0.02
ANSWER_S = FIRST_S + GAP_S * TOKENS
CAPACITY = SLOTS / ANSWER_S
GOOD_S = 1.0
LIMIT = 'tandem_pool_limit{pool="default"}'
TENANTS = {"heavy": 10.0, "north": 1.0, "east": 1.0, "south": 1.0, "west": 1.0}


@dataclass(frozen=True, slots=True)
class Level:
    """What came of one level of load, after its warm-up."""

    times: float
    offered: float
    goodput: float
    p50_s: float
    p99_s: float
    jain: float
    refused: float
    status: Counter[int]


@asynccontextmanager
async def model(slots: Slots) -> AsyncIterator[str]:
    """The slow model's address."""
    stream, unary = pieces(TOKENS), whole(TOKENS)
    server = await asyncio.get_running_loop().create_server(
        lambda: Slotted(slots, stream, unary, first_s=FIRST_S, gap_s=GAP_S), "127.0.0.1", 0, backlog=4096
    )
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def gateway(model_url: str, **env: object) -> AsyncIterator[Tandem]:
    """Tandem before it, with a key for each tenant."""
    keys = [{"name": who, "tenant": who, "sha256": hashlib.sha256(who.encode()).hexdigest()} for who in TENANTS]
    opening = tandem(model_url, auth__mode="keys", auth__keys=json.dumps(keys), **env)
    platform = await asyncio.to_thread(opening.__enter__)
    try:
        yield platform
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


async def offered(platform: Tandem, times: float, duration_s: float, warm_up_s: float) -> Level:
    """So many times the capacity."""
    unit = times * CAPACITY / sum(TENANTS.values())
    arrivals = Arrivals(
        {who: share * unit for who, share in TENANTS.items()},
        {who: request(platform.url, stream=True, key=who, tokens=TOKENS, said=STRING[:500]) for who in TENANTS},
    )
    answers = await offer(platform.url, arrivals, warm_up_s + duration_s, patience_s=5)
    from_s = answers[0].arrived_s + warm_up_s
    return level(times, [each for each in answers if each.arrived_s >= from_s], duration_s)


def level(times: float, answers: Sequence[Answer], duration_s: float) -> Level:
    """The figures of these answers."""
    good = Counter(each.who for each in answers if each.whole and each.first_s <= GOOD_S)
    took_s = sorted(each.whole_s for each in answers if each.whole) or [0.0]
    shares = [good[who] / duration_s for who in TENANTS]
    return Level(
        times,
        len(answers) / duration_s,
        good.total() / duration_s,
        took_s[len(took_s) // 2],
        took_s[min(len(took_s) - 1, int(0.99 * len(took_s)))],
        sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares) or 1),
        sum(each.status == 429 for each in answers) / max(1, len(answers)),
        Counter(each.status for each in answers),
    )


async def cost_of_a_refusal(rounds: int, answers: int) -> float:
    """Of a refusal over an answer of 64 tokens, by the gateway's CPU: streams one after the other, then only refusals."""
    shares = []
    # A model that never says a word keeps the only slot; nobody may wait.
    stuck = await asyncio.get_running_loop().create_server(
        lambda: Slotted(Slots(10**6), pieces(64), whole(64), first_s=0.01, gap_s=0.005), "127.0.0.1", 0
    )
    hung = await asyncio.get_running_loop().create_server(
        lambda: Slotted(Slots(10**6), pieces(1), whole(1), first_s=3600, gap_s=3600), "127.0.0.1", 0
    )
    urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in (stuck, hung)]
    wide, one = ({f"admission__{name}": limit for name in ("initial", "min", "max")} for limit in (64, 1))
    async with (
        stuck,
        hung,
        gateway(urls[0], **wide) as open_one,
        gateway(urls[1], admission__max_waiting=0, **one) as full,
    ):
        holding = asyncio.create_task(drive(full.url, 1, 1, stream=True, key="north"))
        await asyncio.sleep(0.5)
        for turn in range(rounds + 1):
            served = await _cpu_ms(open_one, answers, tokens=64)
            refused = await _cpu_ms(full, 4 * answers, tokens=0)
            sys.stderr.write(f"CPU: {served:.2f} ms an answer, {refused:.3f} ms a refusal\n")
            if turn:
                shares.append(refused / served)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
    return sorted(shares)[len(shares) // 2]


async def _cpu_ms(platform: Tandem, answers: int, *, tokens: int) -> float:
    before_s = cpu_s(platform.pid)
    load = await drive(platform.url, 16, answers, stream=True, key="north", tokens=tokens)
    refused = 0 if tokens else answers
    if len(load.broken) != refused or any(not each.startswith("429") for each in load.broken):
        raise RuntimeError(f"not what was expected: {load.broken[:1]}")
    return (cpu_s(platform.pid) - before_s) / answers * 1000


async def measured(levels: Sequence[float], duration_s: float, warm_up_s: float) -> list[Level]:
    """Every level against one gateway, which goes on with what it has learned: upwards, then downwards."""
    gc.collect()
    gc.freeze()
    slots = Slots(SLOTS)
    found = []
    async with model(slots) as model_url, gateway(model_url) as platform:
        await offered(platform, 1, warm_up_s, 0)
        for times in (*levels, *reversed(levels)):
            slots.most_waiting = 0
            one = await offered(platform, times, duration_s, warm_up_s)
            metrics = await platform.metrics()
            found.append(one)
            sys.stderr.write(
                f"x{one.times:g}: offered {one.offered:.0f}/s good {one.goodput:.1f}/s ({one.goodput / CAPACITY:.0%} of "
                f"capacity) p50 {one.p50_s * 1000:.0f} p99 {one.p99_s * 1000:.0f} ms jain {one.jain:.3f} "
                f"refused {one.refused:.0%} {dict(one.status)} limit "
                f"{metrics[LIMIT]:.0f} of {SLOTS}, model's queue {slots.most_waiting}\n"
            )
    return found


def figures(levels: Sequence[Level]) -> list[dict[str, Any]]:
    """The contract's, of these levels; each is the mean of its turns."""

    def mean(times: float, what: Callable[[Level], float]) -> float:
        return statistics.mean(what(each) for each in levels if each.times == times)

    peak = max(mean(times, lambda each: each.goodput) for times in {each.times for each in levels})
    return [
        *(_figure(f"goodput_{times}x", mean(times, lambda each: each.goodput) / peak, least=0.95) for times in (4, 8)),
        _figure("p99_4x_vs_1x", mean(4, lambda each: each.p99_s) / mean(1, lambda each: each.p99_s), most=2.0),
        _figure("fairness_jain", mean(4, lambda each: each.jain), least=0.95),
    ]


def _figure(name: str, value: float, *, least: float | None = None, most: float | None = None) -> dict[str, Any]:
    kept = (least is None or value >= least) and (most is None or value <= most)
    return {"name": name, "value": round(value, 3), "goal": most if least is None else least, "ok": kept}


async def _main(flags: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    if not flags.only_cost:
        rows += figures(await measured((1.0, 2.0, 4.0, 8.0), flags.seconds, flags.warm_up))
    share = await cost_of_a_refusal(flags.rounds, 400)
    return [*rows, _figure("shed_cpu_vs_served", share, most=0.05)]


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--seconds", type=float, default=7.0, help="of each level, twice")
    parser.add_argument("--warm-up", type=float, default=3.0, help="before each level, not counted")
    parser.add_argument("--rounds", type=int, default=3, help="of answers and refusals in turn")
    parser.add_argument("--only-cost", action="store_true", help="of a refusal")
    rows = uvloop.run(_main(parser.parse_args()))
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")
    sys.exit(0 if all(row["ok"] for row in rows) else 1)


if __name__ == "__main__":
    main()
