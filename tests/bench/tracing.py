"""What traces cost: CPU of one process that keeps them by one that does not, in the same run.

Streams of 64 tokens are passed through, without records of answers, so that each answer's spans are made on its way. `none`
names no collector, `hundredth` keeps one trace of a hundred, `every` all. Rounds go over all processes in turn and back
again; a figure is the median, over the rounds, of theirs by that of `none`.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._load import Load, drive  # noqa: E402
from bench._processes import NotAnswering, running  # noqa: E402
from bench._tandem import Tandem, tandem  # noqa: E402

TOKENS, GAP_MS, CLIENTS, ANSWERS = 64, 5.0, 64, 512
GOALS = {"hundredth": 1.03, "every": 1.1}
# What waits is sent every two seconds.
SETTLE_S = 2.2
# A collector in a process of its own that reads what it gets.
COLLECTOR = """
import sys
from aiohttp import web
async def taken(request):
    await request.read()
    return web.Response()
app = web.Application(client_max_size=2**26)
app.router.add_post("/v1/traces", taken)
import socket
listener = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(f"http://127.0.0.1:{listener.getsockname()[1]}")
web.run_app(app, sock=listener, print=None)
"""


@contextmanager
def _served(command: list[str | Path], where: Path) -> Iterator[str]:
    with running([sys.executable, *command], {}):
        ends = time.monotonic() + 20
        while not where.exists() or not where.read_text():
            if time.monotonic() > ends:
                raise NotAnswering(f"{command[0]} does not start")
            time.sleep(0.05)
        yield where.read_text().strip()


def _cpu_s(pid: int) -> float:
    """Of all living threads, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _measure(name: str, target: Tandem, answers: int) -> float:
    """CPU milliseconds of an answer, with all that is sent of it afterwards."""
    before = _cpu_s(target.pid)
    load: Load = uvloop.run(drive(target.url, CLIENTS, answers, stream=True, tokens=TOKENS))
    time.sleep(SETTLE_S)
    for fault in load.broken[:1]:
        sys.stderr.write(f"{name}: {len(load.broken)} broken, the first: {fault}\n")
    return (_cpu_s(target.pid) - before) * 1000 / max(1, load.answers)


def _kinds(collector: str) -> dict[str, dict[str, object]]:
    alike = {"monitor__enabled": "false", "admission__initial": 256, "admission__min": 64}
    kept = {**alike, "telemetry__traces__endpoint": collector}
    return {
        "none": alike,
        "hundredth": {**kept, "telemetry__traces__ratio": 0.01},
        "every": {**kept, "telemetry__traces__ratio": 1.0},
    }


def _run(rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Costs by kind, and how many spans were taken of each."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "collector.py").write_text(COLLECTOR)
        flags = ["--tokens", str(TOKENS), "--gap-ms", str(GAP_MS), "--url-file"]
        model = stack.enter_context(_served([ROOT / "tests/fakes/raw_llm.py", *flags, folder / "m"], folder / "m"))
        to = stack.enter_context(_served([folder / "collector.py", folder / "c"], folder / "c"))
        up = {name: stack.enter_context(tandem(model, **env)) for name, env in _kinds(to).items()}
        costs: dict[str, list[float]] = {name: [] for name in up}
        for number in range(rounds + 1):
            for name, target in list(up.items())[:: 1 if number % 2 else -1]:
                # The first round warms up and does not count.
                cost = _measure(name, target, ANSWERS if number else CLIENTS)
                if number:
                    costs[name].append(cost)
        shown = {name: asyncio.run(target.metrics()) for name, target in up.items()}
    sent = 'tandem_telemetry_sent_total{signal="traces"}'
    return costs, {name: samples.get(sent, 0.0) for name, samples in shown.items()}


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--rounds", type=int, default=6)
    flags = parser.parse_args()
    costs, sent = _run(flags.rounds)
    for name, rows in costs.items():
        sys.stderr.write(f"{name:10} {statistics.median(rows):.3f} CPU ms an answer, {sent[name]:.0f} spans sent\n")
    figures = []
    for name, goal in GOALS.items():
        pairs = list(zip(costs[name], costs["none"], strict=True))
        value = statistics.median(theirs / ours for theirs, ours in pairs)
        figures.append(
            {
                "name": f"cpu_{name}_vs_none",
                "value": round(value, 4),
                "goal": goal,
                "ok": value <= goal and sent[name] > 0,
            }
        )
        added = statistics.median((theirs - ours) * 1000 for theirs, ours in pairs)
        figures.append({"name": f"added_{name}_us", "value": round(added, 1), "goal": None, "ok": True})
    for figure in figures:
        sys.stdout.write(json.dumps(figure) + "\n")
    sys.exit(0 if all(figure["ok"] for figure in figures) else 1)


if __name__ == "__main__":
    main()
