"""What ingestion costs beside the embedder, and what a run costs that has nothing to do.

    python tests/bench/ingest.py [--files 120] [--documents 5000] [--rounds 3] [--json]

Prints one object per figure and line, {"name", "value", "goal", "ok"}; exits 1 when a goal is missed. CPU is that of this
process and of those that read formats for it.

`speed_vs_embedder`: files of 1, 2, 5 and 10 sections are ingested into the embedded store, by a process that has
ingested a few before, and the very texts that were embedded
then are given to the model by themselves, all at once, in turn; the order is reversed every round. Its CPU as a share of
the run's is how close ingestion comes to the model's own speed.

`rerun_cpu_vs_first`: a folder is ingested twice with an embedder that only hashes words, so that many chunks can be had.
The second run's CPU, opening the store included, is set against the first one's as it would be with the real model: its
CPU here, and for each chunk what the real model took in the other measurement. `rerun_cpu_vs_first_hashing` is against
the first run as it was, whose embedder costs next to nothing.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tandem.adapters.embeddings.bm25 import Bm25Embedder
from tandem.adapters.embeddings.minilm import minilm_embedder
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.scripted.embedder import HashingEmbedder, HashingSparse
from tandem.adapters.sources.loader import document_loader
from tandem.adapters.sources.place import source_of
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.ingestion.progress import SyncReport
from tandem.pipeline.ingesting import Ingesting
from tandem.pipeline.syncing import sync
from tandem.ports.embedder import DenseVector, Embedder, EmbedderCard, EmbedKind, SparseEmbedder

CONTEXT = RequestContext("bench", groups=("*",))
_TICKS = os.sysconf("SC_CLK_TCK")
_WORDS = """gateway request tenant passage prompt model token stream queue replica shard vector store answer document folder
chart release pod node probe drain budget retry breaker quota key group access list cache index chunk filter rank score the a of to
and is in for with that by from until without every other only when where behind between it they which must may never again""".split()


class Remembering:
    """The model, and what it was given."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.texts: list[str] = []

    @property
    def card(self) -> EmbedderCard:
        """The inner one's."""
        return self._inner.card

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        """The inner one's."""
        self.texts += texts
        return await self._inner.embed(texts, kind)

    def count_tokens(self, text: str) -> int:
        """The inner one's."""
        return self._inner.count_tokens(text)


def make_files(folder: Path, count: int, sections: Sequence[int], seed: int = 0) -> None:
    """Markdown files; `sections` are taken in turn for how many each has, of 40 to 150 words."""
    dice = random.Random(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        parts = [f"# Guide {number}"]
        for section in range(sections[number % len(sections)]):
            words = " ".join(dice.choices(_WORDS, k=dice.randint(40, 150)))
            parts.append(f"## Section {section} of {number}\n\n{words}.")
        (folder / f"{number:06}.md").write_text("\n\n".join(parts), encoding="utf-8")


async def run(folder: Path, store: Path, embedder: Embedder, sparse: SparseEmbedder) -> tuple[SyncReport, float]:
    """One synchronisation, and its CPU seconds: from opening the store to closing it."""
    async with document_loader() as loader:
        began = cpu_s()
        async with edge_vectors(store) as vectors:
            ingesting = Ingesting(loader, embedder, sparse, vectors, SystemClock())
            report = await sync(ingesting, [source_of(str(folder))], collection="bench", context=CONTEXT)
        return report, cpu_s() - began


async def steadily(warm: Path, folder: Path, store: Path, kept: Remembering) -> float:
    """CPU seconds of one synchronisation in a process that has ingested before: its libraries are loaded, its collection
    is made.
    """
    async with document_loader() as loader, edge_vectors(store) as vectors:
        ingesting = Ingesting(loader, kept, Bm25Embedder(), vectors, SystemClock())
        await sync(ingesting, [source_of(str(warm))], collection="bench", context=CONTEXT)
        kept.texts.clear()
        began = cpu_s()
        await sync(ingesting, [source_of(str(folder))], collection="bench", context=CONTEXT)
        return cpu_s() - began


async def beside_the_model(files: int, rounds: int) -> tuple[float, float]:
    """The model's share of the CPU, and its CPU seconds a chunk; medians."""
    shares, each_s = [], []
    with tempfile.TemporaryDirectory() as place:
        folder, warm = Path(place) / "files", Path(place) / "warm"
        make_files(folder, files, (1, 2, 5, 10))
        make_files(warm, 16, (1,), seed=1)
        async with minilm_embedder() as model:
            await model.embed(["warm up"], "document")
            texts: list[str] = []
            for number in range(rounds):
                alone_s = await _alone(model, texts) if number % 2 else 0.0
                kept = Remembering(model)
                whole_s = await steadily(warm, folder, Path(place) / f"store{number}", kept)
                texts = kept.texts
                alone_s = alone_s or await _alone(model, texts)
                shares.append(alone_s / whole_s)
                each_s.append(alone_s / len(texts))
    return statistics.median(shares), statistics.median(each_s)


async def _alone(model: Embedder, texts: Sequence[str]) -> float:
    began = cpu_s()
    await model.embed(sorted(texts, key=len), "document")
    return cpu_s() - began


async def twice(documents: int) -> tuple[int, float, float]:
    """Chunks, and the CPU seconds of the first run and of the second."""
    with tempfile.TemporaryDirectory() as place:
        folder, store = Path(place) / "files", Path(place) / "store"
        make_files(folder, documents, (4,))
        first, first_s = await run(folder, store, HashingEmbedder(384), HashingSparse())
        second, second_s = await run(folder, store, HashingEmbedder(384), HashingSparse())
        if second.count("unchanged") != documents or first.count("added") != documents:
            raise RuntimeError(
                f"{documents} documents, {first.count('added')} added, {second.count('unchanged')} unchanged"
            )
        return first.chunks, first_s, second_s


def cpu_s() -> float:
    """User and system time of this process and of its children, those that live included."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


async def measure(files: int, documents: int, rounds: int) -> list[dict[str, Any]]:
    """Every figure of one run."""
    share, each_s = await beside_the_model(files, rounds)
    chunks, first_s, second_s = await twice(documents)
    return [
        _figure("speed_vs_embedder", share, goal=0.9, higher=True),
        _figure("embedder_cpu_ms_per_chunk", each_s * 1e3),
        _figure("chunks_of_rerun", chunks),
        _figure("rerun_cpu_ms_per_1000_chunks", second_s * 1e6 / chunks),
        _figure("rerun_cpu_vs_first", second_s / (first_s + each_s * chunks), goal=0.02),
        _figure("rerun_cpu_vs_first_hashing", second_s / first_s),
    ]


def _figure(name: str, value: float, *, goal: float | None = None, higher: bool = False) -> dict[str, Any]:
    ok = goal is None or (value >= goal if higher else value <= goal)
    return {"name": name, "value": round(value, 4), "goal": goal, "ok": ok}


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say whether every goal was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=120, help="of the comparison with the model")
    parser.add_argument("--documents", type=int, default=5_000, help="of the two runs; four chunks or so each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="the figures only, which is all there is")
    chosen = parser.parse_args(arguments)
    figures = asyncio.run(measure(chosen.files, chosen.documents, chosen.rounds))
    for figure in figures:
        print(json.dumps(figure))
    return 0 if all(figure["ok"] for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
