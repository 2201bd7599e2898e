"""What work in the background costs those who wait: a simulated pool with and without it, on the same arrivals.

Time is virtual, the turnstile and its limit are the shipped ones. A model has slots, or a place for each that slows the
others; whoever asks for more than it has waits inside it. The background always has more to do than there is room for.
A value is the 99th percentile of first tokens, from the arrival on, with the background over that without; `used` is
the part of the slots that are busy with it; `kept` the part of the background's work that was not given up.
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from tandem.adapters.scripted.virtual_time import LoopClock, at_once  # noqa: E402
from tandem.admission.claim import Claim  # noqa: E402
from tandem.admission.limit import AdaptiveLimit  # noqa: E402
from tandem.admission.turnstile import Turnstile  # noqa: E402
from tandem.domain.context import RequestContext  # noqa: E402
from tandem.domain.errors import Overloaded  # noqa: E402

# From giving an answer up to the model's having noticed.
CLOSING_S = 0.005
CONTEXT = RequestContext("r")
WORKERS = 2.0


@dataclass(frozen=True)
class Scene:
    """A model, and the part of its capacity that is asked for by people. `fixed`: a limit of as many as it has slots."""

    slots: int
    first_s: float
    rest_s: float
    load: float
    fixed: bool = False
    bursts: bool = False
    duration_s: float = 400.0
    warm_up_s: float = 60.0

    @property
    def answer_s(self) -> float:
        return self.first_s + self.rest_s

    def rate(self, now_s: float) -> float:
        """Arrivals a second; with bursts nothing for nine tenths of the time."""
        mean = self.load * self.slots / self.answer_s
        if not self.bursts:
            return mean
        return 5 * mean if now_s % 50 < 10 else 0.05 * mean


SCENES = {
    "light": Scene(16, 0.08, 0.32, 0.2),
    "half": Scene(16, 0.08, 0.32, 0.5),
    "busy": Scene(16, 0.08, 0.32, 0.8),
    "bursts": Scene(16, 0.08, 0.32, 0.2, bursts=True),
    "large": Scene(64, 0.3, 6.0, 0.5, duration_s=1200, warm_up_s=300),
    "known": Scene(8, 0.2, 2.0, 0.5, fixed=True, duration_s=800),
    "single": Scene(1, 0.1, 0.9, 0.3, fixed=True, duration_s=2000),
}


@dataclass
class Seen:
    first_s: list[float] = field(default_factory=list)
    refused: int = 0
    batch_s: float = 0.0
    wasted_s: float = 0.0


class Model:
    """As many at a time as it has slots; the others wait inside."""

    def __init__(self, scene: Scene) -> None:
        self._slots = asyncio.Semaphore(scene.slots)
        self._scene = scene

    async def answer(self, first: Callable[[], None], chance: random.Random) -> float:
        """How long its slot was busy."""
        first_s, rest_s = (
            each * chance.lognormvariate(-0.045, 0.3) for each in (self._scene.first_s, self._scene.rest_s)
        )
        async with self._slots:
            try:
                await asyncio.sleep(first_s)
                first()
                await asyncio.sleep(rest_s)
            except asyncio.CancelledError:
                await asyncio.sleep(CLOSING_S)
                raise
        return first_s + rest_s


async def _online(gate: Turnstile, model: Model, seen: Seen, chance: random.Random, *, counts: bool) -> None:
    clock = LoopClock()
    arrived_s = clock.monotonic_s()
    try:
        slot = await gate.take(Claim("people"), CONTEXT)
    except Overloaded:
        seen.refused += counts
        return

    def first() -> None:
        slot.first_token()
        if counts:
            seen.first_s.append(clock.monotonic_s() - arrived_s)

    slot.asked()
    try:
        await model.answer(first, chance)
    finally:
        slot.free()


def _stop(work: asyncio.Task[float]) -> None:
    work.cancel()


async def _batch(gate: Turnstile, model: Model, seen: Seen, chance: random.Random) -> None:
    clock, task = LoopClock(), asyncio.current_task()
    assert task is not None
    while True:
        try:
            slot = await gate.take(Claim("batch", background=True), CONTEXT)
        except Overloaded:
            continue
        work: asyncio.Task[float] = asyncio.create_task(model.answer(slot.first_token, chance))
        slot.when_recalled(partial(_stop, work))
        slot.asked()
        began_s = clock.monotonic_s()
        try:
            busy_s = await work
            seen.batch_s += busy_s
        except asyncio.CancelledError:
            if task.cancelling():
                work.cancel()
                raise
            seen.wasted_s += clock.monotonic_s() - began_s
        finally:
            slot.free()


async def _played(scene: Scene, seed: int, *, background: bool) -> Seen:
    clock, seen, arrivals = LoopClock(), Seen(), random.Random(seed)
    initial, least, most = (scene.slots, scene.slots, scene.slots) if scene.fixed else (16, 1, 512)
    limit = AdaptiveLimit(initial=initial, least=least, most=most, clock=clock)
    gate = Turnstile(limit, max_waiting=1000, max_wait_s=30, clock=clock)
    model, chance = Model(scene), random.Random(seed + 1)
    async with asyncio.TaskGroup() as tasks:
        workers = [
            tasks.create_task(_batch(gate, model, seen, chance))
            for _ in range(int(WORKERS * scene.slots + 2) * background)
        ]
        while clock.monotonic_s() < scene.duration_s:
            # Thinned, so that the rate may change at any time.
            peak = 5 * scene.rate(0) if not scene.bursts else scene.rate(0)
            await asyncio.sleep(arrivals.expovariate(peak))
            now_s = clock.monotonic_s()
            if arrivals.random() < scene.rate(now_s) / peak:
                # Its own times, whoever else is there.
                own = random.Random(arrivals.random())
                tasks.create_task(_online(gate, model, seen, own, counts=now_s >= scene.warm_up_s))
        for worker in workers:
            worker.cancel()
    return seen


def p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]


def rows(name: str, scene: Scene, seeds: int) -> list[dict[str, Any]]:
    without, beside = (
        [at_once(_played(scene, seed, background=background)) for seed in range(seeds)] for background in (False, True)
    )
    alone_s, both_s = ([each for one in run for each in one.first_s] for run in (without, beside))
    ratio = p99(both_s) / p99(alone_s)
    total_s = seeds * scene.slots * scene.duration_s
    done_s = sum(one.batch_s for one in beside)
    sys.stderr.write(
        f"{name}: p99 {p99(alone_s) * 1000:.0f} ms without, {p99(both_s) * 1000:.0f} ms with the background; "
        f"refused {sum(one.refused for one in without)} and {sum(one.refused for one in beside)}\n"
    )
    return [
        {"name": f"{name}_p99_vs_without", "value": round(ratio, 3), "goal": 1.1, "ok": ratio <= 1.1},
        {"name": f"{name}_used", "value": round(done_s / total_s, 3), "goal": 0, "ok": True},
        {
            "name": f"{name}_kept",
            "value": round(done_s / (done_s + sum(one.wasted_s for one in beside) or 1), 3),
            "goal": 0,
            "ok": True,
        },
    ]


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--scene", choices=SCENES, action="append")
    flags = parser.parse_args()
    found = [row for name in flags.scene or SCENES for row in rows(name, SCENES[name], flags.seeds)]
    for row in found:
        sys.stdout.write(json.dumps(row) + "\n")
    sys.exit(0 if all(row["ok"] for row in found) else 1)


if __name__ == "__main__":
    main()
