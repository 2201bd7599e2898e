"""Which family of concurrency limits serves a predictor pool best: simulated pools, every candidate on each.

A value is the answers whose first token waited inside the pool for no longer than twice what it takes with room, as a
share of what a limit that knows the slots reaches on the same arrivals, 1 at most. `throughput` counts all answers,
`wait` is the median wait inside the pool in units of a first token, `shed` the share of requests that a pool refused.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from fakes.simulated_pool import Limit, Outcome, Served, Simulation  # noqa: E402
from tandem.adapters.scripted.clock import ScriptedClock  # noqa: E402
from tandem.admission.limit import AdaptiveLimit  # noqa: E402

INITIAL, LEAST, MOST = 16, 1, 512


@dataclass(frozen=True)
class Scene:
    """A pool, what it is asked, and how long it is looked at."""

    served: Served
    rate: Callable[[float], float]
    patience_s: float
    duration_s: float = 120.0
    warm_up_s: float = 30.0


def steady(value: float) -> Callable[[float], float]:
    return lambda _: value


def steps(*parts: tuple[float, float]) -> Callable[[float], float]:
    """From each second on, this value."""
    return lambda now_s: [value for from_s, value in parts if from_s <= now_s][-1]


def slots(*parts: tuple[float, int]) -> Callable[[float], int]:
    return lambda now_s: [value for from_s, value in parts if from_s <= now_s][-1]


def scenes() -> dict[str, Scene]:
    """Kinds of predictors, each under its own kind of load."""
    batching = Served(slots((0, 16)), steady(0.02), 0.08)
    large = Served(slots((0, 128)), steady(0.3), 12.0, spread=0.6, crowding=0.004)
    return {
        # Slots and times of the goal's own upstream: 160 answers a second.
        "slots_4x": Scene(batching, steady(640), 0.2),
        "slots_08x": Scene(batching, steady(128), 0.2),
        "large_4x": Scene(large, steady(28), 5, 900, 300),
        "large_07x": Scene(large, steady(4.9), 5, 900, 300),
        "serial_prefill": Scene(Served(slots((0, 32)), steady(0.05), 1.4, serial=True), steady(60), 2, 300, 60),
        "sheds": Scene(Served(slots((0, 24)), steady(0.05), 0.5, sheds=True), steady(160), 1),
        "a_token_a_second": Scene(Served(slots((0, 4)), steady(3.0), 40.0), steady(0.4), 30, 7200, 1800),
        "fast": Scene(Served(slots((0, 8)), steady(0.003), 0.006, spread=0.5), steady(3500), 0.05, 20, 5),
        "loss": Scene(Served(slots((0, 64), (60, 12)), steady(0.1), 0.9), steady(250), 1, 120, 60),
        "gain": Scene(Served(slots((0, 8), (60, 64)), steady(0.1), 0.9), steady(250), 1, 180, 60),
        "slower_prompts": Scene(Served(slots((0, 32)), steps((0, 0.05), (120, 0.25)), 0.9), steady(130), 1, 900, 300),
        "uneven_prompts": Scene(Served(slots((0, 32)), steady(0.2), 1.0, spread=1.0), steady(110), 1, 300, 60),
        "shared": Scene(
            Served(lambda now_s: 32 if int(now_s / 20) % 2 else 16, steady(0.1), 0.9), steady(130), 1, 240, 40
        ),
        "long_run": Scene(batching, steady(640), 0.2, 400, 300),
    }


class Knows:
    """The limit that knows how many slots there are."""

    def __init__(self, clock: ScriptedClock, served: Served) -> None:
        self._clock, self._served, self._began_s = clock, served, clock.monotonic_s()

    @property
    def value(self) -> int:
        return self._served.slots(self._clock.monotonic_s() - self._began_s)

    def running(self, count: int) -> None: ...

    def asked(self) -> int:
        return 0

    def first_token(self, ticket: int, latency_s: float) -> None: ...

    def pushed_back(self, ticket: int) -> None: ...


class Gradient2:
    """Netflix concurrency-limits, Gradient2Limit, with its defaults; a sample is a first token."""

    def __init__(self, clock: ScriptedClock, tolerance: float = 1.5) -> None:
        self._clock, self._tolerance = clock, tolerance
        self._limit, self._long_s, self._seen, self._running = float(INITIAL), 0.0, 0, 0

    @property
    def value(self) -> int:
        return int(self._limit)

    def running(self, count: int) -> None:
        self._running = count

    def asked(self) -> int:
        return 0

    def first_token(self, ticket: int, latency_s: float) -> None:
        short_s = latency_s
        self._seen += 1
        # Ten samples of plain mean, then an exponential one over 600.
        weight = 1 / self._seen if self._seen <= 10 else 2 / 601
        self._long_s += weight * (short_s - self._long_s)
        if self._long_s / short_s > 2:
            self._long_s *= 0.95
        if self._running < self._limit / 2:
            return
        gradient = max(0.5, min(1.0, self._tolerance * self._long_s / short_s))
        target = self._limit * gradient + 4
        self._limit = max(LEAST, min(MOST, self._limit * 0.8 + target * 0.2))

    def pushed_back(self, ticket: int) -> None:
        self._limit = max(LEAST, self._limit * 0.9)


class Vegas:
    """Netflix concurrency-limits, VegasLimit, with its defaults: the queue is told from the least latency ever."""

    def __init__(self, clock: ScriptedClock) -> None:
        self._clock = clock
        self._limit, self._least_s, self._seen, self._running = float(INITIAL), math.inf, 0, 0
        self._probe = 30 * INITIAL

    @property
    def value(self) -> int:
        return int(self._limit)

    def running(self, count: int) -> None:
        self._running = count

    def asked(self) -> int:
        return 0

    def first_token(self, ticket: int, latency_s: float) -> None:
        self._seen += 1
        if self._seen >= self._probe:
            self._seen, self._probe, self._least_s = 0, int(30 * self._limit), latency_s
            return
        if latency_s < self._least_s:
            self._least_s = latency_s
            return
        if self._running * 2 < self._limit:
            return
        queued = math.ceil(self._limit * (1 - self._least_s / latency_s))
        unit = max(1.0, math.log10(self._limit))
        if queued <= unit:
            self._limit += 6 * unit
        elif queued < 3 * unit:
            self._limit += unit
        elif queued > 6 * unit:
            self._limit -= unit
        self._limit = max(LEAST, min(MOST, self._limit))

    def pushed_back(self, ticket: int) -> None:
        self._limit = max(LEAST, self._limit - max(1.0, math.log10(self._limit)))


def _shipped(clock: ScriptedClock) -> AdaptiveLimit:
    return AdaptiveLimit(initial=INITIAL, least=LEAST, most=MOST, clock=clock)


CANDIDATES: dict[str, Callable[[ScriptedClock], Limit]] = {
    "aimd": _shipped,
    "gradient2": Gradient2,
    "vegas": Vegas,
    "fixed": lambda clock: AdaptiveLimit(initial=INITIAL, least=INITIAL, most=INITIAL, clock=clock),
}


def simulated(scene: Scene, make: Callable[[ScriptedClock], Limit], seed: int = 1) -> Outcome:
    """One candidate on one scene."""
    clock = ScriptedClock()
    good_s = 2 * scene.served.prefill_s(scene.duration_s) + 0.01
    simulation = Simulation(
        scene.served, make(clock), clock, rate=scene.rate, patience_s=scene.patience_s, good_s=good_s, seed=seed
    )
    return simulation.run(scene.duration_s, warm_up_s=scene.warm_up_s)


def row(title: str, scene: Scene, name: str, seed: int) -> dict[str, Any]:
    """A candidate's figures on a scene."""
    known = simulated(scene, lambda clock: Knows(clock, scene.served), seed)
    outcome = simulated(scene, CANDIDATES[name], seed)
    wait_s = statistics.median(outcome.waits_s or [0.0])
    return {
        "name": f"{title}_{name}",
        "value": round(min(1.0, outcome.good / max(1, known.good)), 3),
        "goal": None,
        "ok": True,
        "throughput": round(outcome.done / known.done, 3),
        "wait": round(wait_s / scene.served.prefill_s(scene.duration_s), 2),
        "shed": round(outcome.shed / max(1, outcome.asked), 4),
    }


def main() -> None:
    """Print one JSON object per figure; exit 1 when another family does better on the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--scenes", nargs="*", default=list(scenes()))
    parser.add_argument("--candidates", nargs="*", default=list(CANDIDATES))
    parser.add_argument("--seeds", type=int, default=2)
    flags = parser.parse_args()
    shares: dict[str, list[float]] = {name: [] for name in flags.candidates}
    for title in flags.scenes:
        for name in flags.candidates:
            for seed in range(1, flags.seeds + 1):
                found = row(title, scenes()[title], name, seed)
                shares[name].append(found["value"])
                sys.stdout.write(json.dumps({**found, "seed": seed}) + "\n")
    means = {name: statistics.mean(values) for name, values in shares.items()}
    for name, mean in means.items():
        ok = name != "aimd" or mean == max(means.values())
        figure = {"name": f"mean_{name}", "value": round(mean, 3), "goal": None, "ok": ok}
        sys.stdout.write(json.dumps({**figure, "worst": round(min(shares[name]), 3)}) + "\n")
    sys.exit(0 if means.get("aimd", 1.0) == max(means.values()) else 1)


if __name__ == "__main__":
    main()
