"""What it costs to stand before a model: CPU seconds of gateways per 1,000 answers, and what they add to the first token.

The upstream is a stream of fixed pace, so that all differences are the gateways'. Rounds go over all gateways in turn
and back again; a figure is the median, over the rounds, of ours by theirs. Retrieval is off, everything else is on.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._load import Load, drive  # noqa: E402
from bench._peers.environments import NotInstalled  # noqa: E402
from bench._peers.gateways import KEY, Gateway, gateway  # noqa: E402
from bench._processes import NotAnswering, cpu_s, rss_mb, running  # noqa: E402

TOKENS, GAP_MS = 64, 5.0


@dataclass(frozen=True)
class Scene:
    """One kind of load on some gateways."""

    name: str
    peers: tuple[str, ...]
    clients: int
    answers: int
    stream: bool = True
    gap_ms: float = GAP_MS


@dataclass(frozen=True)
class Figure:
    """Ours by a peer's in one scene: of CPU, or of a percentile of the time to the first token."""

    name: str
    scene: str
    peer: str
    goal: float | None
    of: str = "cpu"


SCENES = (
    Scene("stream64", ("tandem", "raw_asgi", "vllm_router", "vllm_rust_router"), 64, 512),
    Scene("stream16", ("tandem", "handbook", "litellm"), 16, 96),
    # All at once: whole answers are not about how tokens come.
    Scene("unary", ("tandem", "raw_asgi", "litellm"), 16, 256, stream=False, gap_ms=0.0),
    Scene("one", ("direct", "tandem", "raw_asgi", "vllm_router"), 1, 24),
)
FIGURES = (
    Figure("cpu_vs_raw_asgi", "stream64", "raw_asgi", 1.25),
    Figure("cpu_vs_vllm_router", "stream64", "vllm_router", 1.1),
    Figure("cpu_vs_vllm_rust_router", "stream64", "vllm_rust_router", None),
    Figure("cpu_vs_handbook", "stream16", "handbook", 0.1),
    Figure("cpu_vs_litellm", "stream16", "litellm", 1 / 18),
    Figure("unary_cpu_vs_raw_asgi", "unary", "raw_asgi", 3.0),
    Figure("unary_cpu_vs_litellm", "unary", "litellm", 1 / 15),
    Figure("ttft_p50_64_vs_vllm_router", "stream64", "vllm_router", 1.0, "p50"),
    Figure("ttft_p99_64_vs_raw_asgi", "stream64", "raw_asgi", 1.5, "p99"),
)


@dataclass(frozen=True)
class Sample:
    """One gateway in one round of one scene."""

    cpu_ms: float
    first_s: tuple[float, ...]
    broken: int

    def of(self, what: str) -> float:
        """CPU milliseconds of an answer, or a percentile of the time to the first token in seconds."""
        if what == "cpu":
            return self.cpu_ms
        return _percentile(self.first_s, int(what[1:]) / 100)


Samples = dict[str, dict[str, list[Sample]]]


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def _measure(scene: Scene, target: Gateway, answers: int) -> Sample:
    before = cpu_s(target.pid)
    load: Load = uvloop.run(drive(target.url, scene.clients, answers, stream=scene.stream, key=KEY, tokens=TOKENS))
    for fault in load.broken[:1]:
        sys.stderr.write(f"{target.name}, {scene.name}: {len(load.broken)} broken, the first: {fault}\n")
    took = cpu_s(target.pid) - before
    return Sample(took * 1000 / max(1, load.answers), tuple(load.first_s), len(load.broken))


def _upstream(stack: ExitStack, gap_ms: float) -> Gateway:
    where = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "url"
    command: list[str | Path] = [
        sys.executable,
        ROOT / "tests/fakes/raw_llm.py",
        "--tokens",
        str(TOKENS),
        "--gap-ms",
        str(gap_ms),
    ]
    pid = stack.enter_context(running([*command, "--url-file", where], {}))
    ends = time.monotonic() + 20
    while not where.exists() or not where.read_text():
        if time.monotonic() > ends:
            raise NotAnswering("the upstream does not start")
        time.sleep(0.05)
    return Gateway("direct", where.read_text().strip(), pid)


def _run(scenes: Sequence[Scene], only: set[str], rounds: int) -> tuple[Samples, dict[str, str]]:
    """Samples by scene and gateway, and why a peer is missing."""
    samples: Samples = {scene.name: defaultdict(list) for scene in scenes}
    missing: dict[str, str] = {}
    for gap_ms in {scene.gap_ms for scene in scenes}:
        with ExitStack() as stack:
            upstream = _upstream(stack, gap_ms)
            alike = [scene for scene in scenes if scene.gap_ms == gap_ms]
            up = {"direct": upstream}
            for name in sorted({peer for scene in alike for peer in scene.peers if peer in only} - {"direct"}):
                try:
                    up[name] = stack.enter_context(gateway(name, upstream.url))
                except (NotInstalled, NotAnswering) as error:
                    missing[name] = str(error)
            for scene, targets, number in _turns(alike, up, rounds):
                for target in targets:
                    if number == 0:
                        _measure(scene, target, max(scene.clients, scene.answers // 4))
                    else:
                        samples[scene.name][target.name].append(_measure(scene, target, scene.answers))
            for name, target in up.items():
                sys.stderr.write(f"{name}: {rss_mb(target.pid):.0f} MB resident\n")
    return samples, missing


def _turns(scenes: Sequence[Scene], up: dict[str, Gateway], rounds: int) -> Iterator[tuple[Scene, list[Gateway], int]]:
    """The first round warms up and does not count."""
    for number in range(rounds + 1):
        for scene in scenes:
            targets = [up[name] for name in scene.peers if name in up]
            yield scene, targets if number % 2 else targets[::-1], number


def _ratio(figure: Figure, samples: Samples, missing: dict[str, str]) -> dict[str, Any]:
    theirs, ours = samples[figure.scene][figure.peer], samples[figure.scene]["tandem"]
    if not theirs or not ours:
        reason = missing.get(figure.peer) or missing.get("tandem") or "left out"
        return {"name": figure.name, "value": None, "goal": figure.goal, "ok": None, "reason": reason}
    broken = sum(sample.broken for sample in ours)
    value = statistics.median(a.of(figure.of) / b.of(figure.of) for a, b in zip(ours, theirs, strict=True))
    ok = broken == 0 and (figure.goal is None or value <= figure.goal)
    return {"name": figure.name, "value": round(value, 4), "goal": figure.goal, "ok": ok}


def _added(samples: Samples, goal: float = 2.0) -> dict[str, Any]:
    direct, ours = samples["one"]["direct"], samples["one"]["tandem"]
    value = statistics.median((a.of("p50") - b.of("p50")) * 1000 for a, b in zip(ours, direct, strict=True))
    return {"name": "ttft_p50_ms_1", "value": round(value, 2), "goal": goal, "ok": value <= goal}


def _tell_costs(samples: Samples) -> None:
    for scene, gateways in samples.items():
        for name, rows in gateways.items():
            cpu, p50, p99 = (statistics.median(row.of(what) for row in rows) for what in ("cpu", "p50", "p99"))
            first = f"first token p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"
            sys.stderr.write(f"{scene:9} {name:17} {cpu:8.3f} CPU ms an answer, {first}\n")


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", default="", help="gateways, separated by commas; the others are left out")
    parser.add_argument("--scenes", default="", help="of stream64, stream16, unary, one")
    flags = parser.parse_args()
    only = set(flags.only.split(",") if flags.only else {peer for scene in SCENES for peer in scene.peers})
    wanted = set(flags.scenes.split(",") if flags.scenes else {scene.name for scene in SCENES})
    samples, missing = _run([scene for scene in SCENES if scene.name in wanted], only, flags.rounds)
    _tell_costs(samples)
    figures = [_ratio(figure, samples, missing) for figure in FIGURES if figure.scene in wanted]
    if "one" in wanted:
        figures.append(_added(samples))
    for figure in figures:
        sys.stdout.write(json.dumps(figure) + "\n")
    sys.exit(1 if any(figure["ok"] is False for figure in figures) else 0)


if __name__ == "__main__":
    main()
