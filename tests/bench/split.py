"""What a retriever of its own costs: the same questions where retrieval is in the gateway's process, and where it is a peer.

Real processes over loopback, some of Tandem's own docs with the real embedder, a model of fixed pace behind both. Rounds alternate
between the two, so a figure is the median, over the rounds, of one by the other: on a shared machine only ratios of one run
hold. CPU is that of all processes that an answer took, gateway and retriever together. The store is embedded, or the Qdrant
server of --qdrant.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._processes import cpu_s, free_port, rss_mb, running  # noqa: E402
from bench._questions import first_tokens_ms, percentile  # noqa: E402
from component.deployments import Process, start, stop  # noqa: E402

_PAGES = (
    "README.md",
    "docs/getting-started.md",
    "docs/concepts.md",
    "docs/operations.md",
    "docs/formats.md",
    "docs/cli.md",
)
DOCS = tuple(part for page in _PAGES for part in ("--ingest", str(ROOT / page)))
# One at a time tells the hop itself; sixteen at a time, what it does to those who wait for others.
SCENES = ((1, 30), (16, 4))
TOKENS = 16


@dataclass(frozen=True, slots=True)
class Way:
    """The processes that one way of retrieval takes, the gateway first, and what was measured in each round of each scene."""

    gateway: Process
    retriever: Process | None = None
    cpu_ms: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: {number: [] for number, _ in SCENES})
    first_ms: dict[int, list[list[float]]] = field(default_factory=lambda: {number: [] for number, _ in SCENES})

    def cpu_s(self) -> tuple[float, float]:
        """Of the gateway, and of the retriever."""
        return cpu_s(self.gateway.popen.pid), cpu_s(self.retriever.popen.pid) if self.retriever else 0.0

    async def asked(self, clients: int, each: int, salt: str, *, counts: bool) -> None:
        """One round."""
        before = self.cpu_s()
        first_ms = await first_tokens_ms(self.gateway.url, clients, each, salt)
        gateway_s, retriever_s = (now - then for now, then in zip(self.cpu_s(), before, strict=True))
        if counts:
            answers = len(first_ms)
            self.cpu_ms[clients].append((gateway_s * 1000 / answers, retriever_s * 1000 / answers))
            self.first_ms[clients].append(first_ms)

    def all_ms(self, clients: int) -> list[float]:
        """First tokens of all rounds."""
        return [ms for row in self.first_ms[clients] for ms in row]


@contextlib.contextmanager
def _served(target: str, folder: Path, env: dict[str, str], *flags: str) -> Iterator[Process]:
    process = start(target, folder, {"TANDEM_LOG__LEVEL": "warning", **env}, *flags)
    try:
        yield process
    finally:
        stop(process)


@contextlib.contextmanager
def _both(folder: Path, qdrant: str | None) -> Iterator[tuple[Way, Way]]:
    """Retrieval inside, and apart."""
    port = free_port()
    # Room for all clients: what an adaptive limit makes of a busy machine is not looked at here.
    limits = {f"TANDEM_ADMISSION__{name}": "64" for name in ("INITIAL", "MIN", "MAX")}
    model = limits | {"TANDEM_PREDICTOR__PROTOCOL": "openai", "TANDEM_PREDICTOR__MODEL": "steady", "TANDEM_PREDICTOR__URL": f"http://127.0.0.1:{port}"}  # fmt: skip
    # Nothing is too far from a question to be answered.
    store = {"TANDEM_RETRIEVAL__THRESHOLD": "0", **({"TANDEM_VECTORS__URL": qdrant} if qdrant else {})}
    command: list[str | Path] = [
        sys.executable,
        ROOT / "tests/fakes/steady_llm.py",
        "--port",
        str(port),
        "--tokens",
        str(TOKENS),
    ]
    # On a server both find what the first of them put there.
    again = () if qdrant else DOCS
    with (
        running(command, {}),
        _served("gateway" if qdrant else "all", folder / "inside", {**model, **store}, *DOCS) as inside,
        _served("retriever", folder / "retriever", store, *again) as retriever,
        _served("gateway", folder / "gateway", {**model, "TANDEM_RETRIEVER__URL": retriever.url}) as gateway,
    ):
        yield Way(inside), Way(gateway, retriever)


async def _measure(inside: Way, apart: Way, rounds: int) -> None:
    for clients, each in SCENES:
        for number in range(rounds + 1):
            for way in (inside, apart) if number % 2 else (apart, inside):
                # The first round warms both up.
                await way.asked(clients, each, f"round {number}", counts=number > 0)


def _figures(inside: Way, apart: Way) -> Iterator[dict[str, Any]]:
    for clients, _ in SCENES:
        pairs = list(zip(inside.cpu_ms[clients], apart.cpu_ms[clients], strict=True))
        yield _figure(f"cpu_vs_inside_{clients}", _median(sum(there) / sum(here) for here, there in pairs), 1.4)
        yield _figure(f"gateway_cpu_vs_inside_{clients}", _median(there[0] / sum(here) for here, there in pairs), 0.6)
        yield _figure(f"inside_cpu_ms_{clients}", _median(sum(here) for here, _ in pairs))
        yield _figure(f"gateway_cpu_ms_{clients}", _median(there[0] for _, there in pairs))
        yield _figure(f"retriever_cpu_ms_{clients}", _median(there[1] for _, there in pairs))
        here, there = inside.all_ms(clients), apart.all_ms(clients)
        first = zip(inside.first_ms[clients], apart.first_ms[clients], strict=True)
        ratio = _median(percentile(theirs, 0.5) / percentile(ours, 0.5) for ours, theirs in first)
        yield _figure(f"ttft_p50_vs_inside_{clients}", ratio, 1.6)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            yield _figure(f"inside_ttft_{name}_ms_{clients}", percentile(here, share))
            yield _figure(f"added_ttft_{name}_ms_{clients}", percentile(there, share) - percentile(here, share))
    assert apart.retriever is not None
    for name, process in (("inside", inside.gateway), ("gateway", apart.gateway), ("retriever", apart.retriever)):
        yield _figure(f"{name}_mb", rss_mb(process.popen.pid))


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def _figure(name: str, value: float, goal: float | None = None) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "goal": goal, "ok": goal is None or value <= goal}


def main() -> None:
    """Print one JSON object per figure; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--qdrant", metavar="URL", help="a server for both, in place of stores within the processes")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _both(Path(folder), flags.qdrant) as (inside, apart):
        asyncio.run(_measure(inside, apart, flags.rounds))
        figures = list(_figures(inside, apart))
    for figure in figures:
        sys.stdout.write(json.dumps(figure) + "\n")
    sys.exit(0 if all(figure["ok"] for figure in figures) else 1)


if __name__ == "__main__":
    main()
