"""What `tandem plan` foretells against what is measured: latencies and throughput of a real predictor at six loads.

The predictor is Tandem's own with SmolLM2-135M through llama.cpp, behind a real gateway. It is measured with one, two and as
many requests at a time as it writes side by side; `tandem plan --fit`'s fit of that trace is all that the simulation knows of
it. Then arrivals come by chance, open loop, at parts of what the fit says that it is able to do, and the simulated deployment
is asked the very same: as long prompts and answers at the same moments, so that no luck of the draw is compared. A value is
the relative error of what was foretold.

A shared machine is now a fifth faster and now a fifth slower, which no plan can know: a load's trace is what was measured just
before it and just after. Each load meets a gateway that has learnt nothing yet, as the simulated one has not. It loads both of
a small machine's cores: on one that is busy with other things it tells nothing.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._tandem import tandem  # noqa: E402
from component.deployments import start, stop  # noqa: E402
from tandem.generation.pools import PoolPolicy  # noqa: E402
from tandem.platform.plan.arrivals import Arrivals  # noqa: E402
from tandem.platform.plan.engines import ServiceTimes  # noqa: E402
from tandem.platform.plan.figures import percentile  # noqa: E402
from tandem.platform.plan.prices import Book, load_book  # noqa: E402
from tandem.platform.plan.servers import Place  # noqa: E402
from tandem.platform.plan.simulate import Outcome, Window, simulate  # noqa: E402
from tandem.platform.plan.trace import Line, fit_trace, simulated_again  # noqa: E402
from tandem.platform.plan.traffic import Traffic, load_traffic  # noqa: E402

LOADS = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.2)
PARALLEL = 4
ANSWER_TOKENS = 12
# What llama.cpp is given of a prompt at a time, in adapters/small/gguf.py.
CHUNK = 128
WORDS = "cloud river stone paper garden engine window silver market winter harbour letter mirror bridge forest candle".split()
# First tokens are told as well; nothing is promised of them.
GOALS = {"p50": 0.15, "p99": 0.30, "throughput": 0.15, "first_token_p50": None}


@dataclass(slots=True)
class Told:
    """One answer, in seconds from its being asked; nothing of one that was refused. `at_s`: when, since its load began."""

    at_s: float = 0.0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    first_s: float = 0.0
    whole_s: float = 0.0
    status: int = 0


async def ask(session: aiohttp.ClientSession, url: str, chance: random.Random) -> Told:
    """A prompt that no other has begun with, so that no cache helps; its length is lognormal, as a plan takes lengths to be."""
    words = " ".join(chance.choices(WORDS, k=min(90, max(3, round(chance.lognormvariate(3.2, 0.4))))))
    body = {
        "model": "tandem",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": ANSWER_TOKENS,
        "messages": [{"role": "user", "content": f"{chance.randrange(1000)} {words}"}],
    }
    told, began_s = Told(), time.perf_counter()
    async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
        told.status = reply.status
        async for line in reply.content:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if not told.first_s and event.get("choices") and event["choices"][0]["delta"].get("content"):
                told.first_s = time.perf_counter() - began_s
            if usage := event.get("usage"):
                told.prompt_tokens, told.answer_tokens = usage["prompt_tokens"], usage["completion_tokens"]
    told.whole_s = time.perf_counter() - began_s
    return told


async def calibrated(session: aiohttp.ClientSession, url: str, each: int, seed: int) -> list[Line]:
    """A trace at one, two and all slots, closed loop."""
    lines: list[Line] = []
    chance = random.Random(f"trace {seed}")
    for at_once in (1, 2, PARALLEL):

        async def client(at_once: int = at_once) -> None:
            for _ in range(each):
                told = await ask(session, url, chance)
                if told.status == 200 and told.answer_tokens > 1 and told.first_s:
                    lines.append(
                        Line(
                            arrival=time.perf_counter(), prompt_tokens=told.prompt_tokens, answer_tokens=told.answer_tokens,
                            first_token_s=told.first_s, total_s=told.whole_s, concurrency=at_once,
                        )
                    )  # fmt: skip

        await asyncio.gather(*(client() for _ in range(at_once)))
    return lines


async def offered(session: aiohttp.ClientSession, url: str, rate: float, requests: int) -> list[Told]:
    """Arrivals by chance, whether or not others were answered."""
    chance = random.Random(f"rate {rate}")
    loop = asyncio.get_running_loop()
    due_s = began_s = loop.time()

    async def one() -> Told:
        at_s = loop.time() - began_s
        told = await ask(session, url, chance)
        told.at_s = at_s
        return told

    tasks: list[asyncio.Task[Told]] = []
    for _ in range(requests):
        due_s += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        tasks.append(asyncio.create_task(one()))
    return list(await asyncio.gather(*tasks))


def traffic_of(lines: list[Line]) -> Traffic:
    """Prompts and answers as long as those of the trace. The gateway's own time is in the trace's first tokens."""

    def length(values: list[int]) -> dict[str, float]:
        lengths = np.array(values, dtype=np.float64)
        return {"mean": float(lengths.mean()), "spread": min(2.0, float(np.log(lengths).std()))}

    given = {
        "requests_per_second": 1.0,
        "prompt_tokens": length([line.prompt_tokens for line in lines]),
        # Nearly all end at `max_tokens`, which a lognormal length would go beyond.
        "answer_tokens": {"mean": float(np.mean([line.answer_tokens for line in lines])), "spread": 0},
        "gateway": {"cpu_s": 0.0, "latency_s": 0.0},
    }
    return load_traffic(None, given, day="flat")


def foretold(times: ServiceTimes, traffic: Traffic, rate: float, told: list[Told]) -> Outcome:
    """The same deployment, simulated, is asked what the real one was. How long a refused prompt was nobody told."""
    means = traffic.prompt_tokens.mean, traffic.answer_tokens.mean
    place = Place(PoolPolicy("default"), 16, 512, 1, times)
    asked = Arrivals(
        np.array([one.at_s for one in told]),
        np.array([one.prompt_tokens or means[0] for one in told]),
        np.array([one.answer_tokens or means[1] for one in told]),
        ["default"] * len(told),
        np.zeros(len(told)),
        np.zeros(len(told)),
    )
    return simulate(Window(traffic, rate, 1, (place,)), asked)


def times_of(lines: list[Line], traffic: Traffic) -> ServiceTimes:
    found = fit_trace(lines, book=book(), traffic=traffic, quantisation="fp16", source="this run")
    times = ServiceTimes(found.read_tokens_per_s, found.step_s, found.step_per_answer_s, found.first_s, PARALLEL, CHUNK)
    again = ", ".join(f"{share:+.1%} at {count}" for count, share in simulated_again(lines, found, CHUNK).items())
    sys.stderr.write(
        f"fit: {times.read_tokens_per_s:.0f} tokens/s read, a step {times.step_s:.4f} s and {times.step_per_answer_s:.4f} s "
        f"for each answer, {times.first_s:.3f} s before; simulated again {again}\n"
    )
    return times


def rows(load: float, told: list[Told], expected: Outcome) -> list[dict[str, Any]]:
    answered = [one for one in told if one.status == 200 and one.answer_tokens]
    whole, first = [one.whole_s for one in answered], [one.first_s for one in answered]
    pairs = {
        "p50": (percentile(expected.whole_s, 0.5), percentile(whole, 0.5)),
        "p99": (percentile(expected.whole_s, 0.99), percentile(whole, 0.99)),
        "throughput": (
            expected.answered / expected.ended_s,
            len(answered) / max(one.at_s + one.whole_s for one in answered),
        ),
        "first_token_p50": (percentile(expected.first_s, 0.5), percentile(first, 0.5)),
    }
    sys.stderr.write(
        f"load {load:g}: {len(told)} asked, {len(answered)} answered; "
        + ", ".join(f"{name} {a:.3f} foretold, {b:.3f} measured" for name, (a, b) in pairs.items())
        + "\n"
    )
    found = []
    for name, (said, seen) in pairs.items():
        error, goal = abs(said / seen - 1), GOALS[name]
        row = {"name": f"{name}_error_{load:g}", "value": round(error, 3)}
        found.append(row if goal is None else {**row, "goal": goal, "ok": error <= goal})
    return found


@dataclass(slots=True)
class Seen:
    """What was measured at one load, and the trace around it."""

    load: float
    rate: float
    lines: list[Line]
    told: list[Told]

    def rows(self) -> list[dict[str, Any]]:
        """Its errors, after what is foretold from the trace."""
        traffic = traffic_of(self.lines)
        times = times_of(self.lines, traffic)
        return rows(self.load, self.told, foretold(times, traffic, self.rate, self.told))


def book() -> Book:
    """The shipped one, with as much of a prompt at a step as this engine takes."""
    shipped = load_book()
    engine = shipped.engine("tgi").model_copy(update={"chunk_tokens": CHUNK})
    return shipped.model_copy(update={"engines": {**shipped.engines, "tgi": engine}})


async def measure(model_url: str, requests: int, each: int) -> list[Seen]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=300)
    ) as session:
        with gateway(model_url) as known:
            await calibrated(session, known, 2, 0)
            before = await calibrated(session, known, each, 1)
            traffic = traffic_of(before)
            # It simulates, in a loop of its own.
            times = await asyncio.to_thread(times_of, before, traffic)
            most = times.most(traffic.prompt_tokens.mean, traffic.answer_tokens.mean)
            sys.stderr.write(f"most {most:.2f} requests/s\n")
            seen = []
            for number, load in enumerate(LOADS, 2):
                with gateway(model_url) as fresh:
                    await ask(session, fresh, random.Random(f"first {load}"))
                    told = await offered(session, fresh, load * most, requests)
                after = await calibrated(session, known, each, number)
                seen.append(Seen(load, load * most, before + after, told))
                before = after
                sys.stderr.write(f"load {load:g} measured, {len(seen)} of {len(LOADS)}\n")
    return seen


@contextlib.contextmanager
def gateway(model_url: str) -> Iterator[str]:
    with tandem(model_url, predictor__protocol="tgi", predictor__model="tgi") as started:
        yield started.url


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--requests", type=int, default=60, help="of each load")
    parser.add_argument(
        "--each", type=int, default=6, help="requests of each client of the traces before and after a load"
    )
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "TANDEM_PREDICTOR__MODEL": "smollm2",
            "TANDEM_PREDICTOR__PARALLEL": str(PARALLEL),
            "TANDEM_LOG__LEVEL": "warning",
        }
        predictor = start("predictor", Path(folder), env)
        try:
            seen = asyncio.run(measure(predictor.url, flags.requests, flags.each))
        finally:
            stop(predictor)
    # Beside the measuring the simulation would take a core from it.
    found = [row for one in seen for row in one.rows()]
    for row in found:
        sys.stdout.write(json.dumps(row) + "\n")
    sys.exit(0 if all(row.get("ok", True) for row in found) else 1)


if __name__ == "__main__":
    main()
