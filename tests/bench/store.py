"""What a search costs: the embedded engine against qdrant-client's local mode, in turn, in one run.

    python tests/bench/store.py [--chunks 100000] [--local 2000] [--rounds 3] [--json]

Prints one object per figure and line, {"name", "value", "goal", "ok"}; exits 1 when a goal is missed. CPU is the whole
process's, in milliseconds per search, adapters and threads included; a search is all of `Vectors.search`: both legs and
their fusion, 30 candidates each, filtered by tenant; a user's folder has one, `two_tenants` adds another. Vectors are clustered and
words follow Zipf's law, as text does. Local mode is measured on fewer chunks, since its cost grows with them: the embedded engine is, beside it, on as few.
"""

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.qdrant.server import IN_MEMORY, qdrant_vectors
from tandem.domain.document import Chunk, DocumentRecord, Recipe
from tandem.ports.embedder import SparseVector
from tandem.ports.vectors import EmbeddedChunk, VectorQuery, Vectors

DIMENSIONS = 384
CANDIDATES = 30
CHUNKS_PER_DOCUMENT = 50
TEXT = "A gateway admits a request, retrieves passages, fits them into the prompt and streams the answer. " * 9
RECIPE = Recipe("bench@1", DIMENSIONS, "bench@1", "bench@1")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Made up once per run, the same for every store."""

    vectors: Floats
    words: list[SparseVector]
    queries: Floats
    questions: list[SparseVector]


def corpus(chunks: int, queries: int) -> Corpus:
    """Vectors around 2,000 centres; 120 words a chunk and 8 a question, drawn by Zipf's law from 30,000."""
    dice = np.random.default_rng(0)
    centres = dice.standard_normal((2_000, DIMENSIONS)).astype(np.float32)
    zipf = 1 / np.arange(1, 30_001)
    zipf /= zipf.sum()

    def vectors(count: int) -> Floats:
        around = centres[dice.integers(0, 2_000, count)]
        made = around + 0.7 * dice.standard_normal((count, DIMENSIONS)).astype(np.float32)
        unit: Floats = made / np.linalg.norm(made, axis=1, keepdims=True)
        return unit

    def words(count: int) -> SparseVector:
        terms = np.unique(dice.choice(30_000, count, p=zipf))
        return SparseVector(tuple(terms.tolist()), tuple((1 + dice.random(len(terms))).tolist()))

    return Corpus(
        vectors=vectors(chunks),
        words=[words(120) for _ in range(chunks)],
        queries=vectors(queries),
        questions=[words(8) for _ in range(queries)],
    )


async def fill(store: Vectors, made: Corpus, chunks: int, tenant: str = "default") -> float:
    """Write the first `chunks` as documents; CPU seconds it took."""
    await store.ensure_collection("bench", RECIPE)
    began = cpu_s()
    for start in range(0, chunks, CHUNKS_PER_DOCUMENT):
        name = f"docs/folder/{start:07}.md"
        stop = min(start + CHUNKS_PER_DOCUMENT, chunks)
        record = DocumentRecord(name, name, name, "text/markdown", f"f{start}", stop - start, 9_000, 1.7e9)
        embedded = [
            EmbeddedChunk(
                Chunk(name, each - start, TEXT, ("Guide", "Install"), 0, len(TEXT), 180),
                made.vectors[each].tolist(),
                made.words[each],
            )
            for each in range(start, stop)
        ]
        await store.replace_document("bench", tenant, record, embedded)
    return cpu_s() - began


async def search_cpu_ms(store: Vectors, made: Corpus, queries: int) -> float:
    """Mean over the first `queries`, after a warm-up of two."""
    asked = [
        VectorQuery("default", made.queries[each].tolist(), made.questions[each], CANDIDATES) for each in range(queries)
    ]
    for query in asked[:2]:
        await store.search("bench", query)
    began = cpu_s()
    for query in asked:
        await store.search("bench", query)
    return (cpu_s() - began) * 1e3 / queries


async def recall(store: Vectors, made: Corpus, chunks: int, queries: int) -> float:
    """Share of the exact nearest neighbours that the dense leg returns."""
    found = 0
    for each in range(queries):
        query = VectorQuery("default", made.queries[each].tolist(), SparseVector((), ()), CANDIDATES)
        hits = (await store.search("bench", query)).dense
        cosines = made.vectors[:chunks] @ made.queries[each]
        nearest = set(np.argsort(-cosines)[:CANDIDATES].tolist())
        found += len(nearest & {_position(hit.chunk) for hit in hits})
    return found / (queries * CANDIDATES)


def _position(chunk: Chunk) -> int:
    return int(chunk.document_id.removeprefix("docs/folder/").removesuffix(".md")) + chunk.ordinal


def cpu_s() -> float:
    """User and system time of the whole process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_mb() -> float:
    """What the process holds in memory now, mapped files included."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


async def measure(chunks: int, small: int, rounds: int, queries: int) -> list[dict[str, Any]]:
    """Every figure of one run."""
    made = corpus(chunks, queries)
    before_mb = resident_mb()
    with tempfile.TemporaryDirectory() as folder:
        async with edge_vectors(Path(folder) / "large") as large:
            write_s = await fill(large, made, chunks)
        began = time.perf_counter()
        async with (
            edge_vectors(Path(folder) / "large") as large,
            edge_vectors(Path(folder) / "small") as edge,
            qdrant_vectors(IN_MEMORY) as local,
        ):
            await large.record("bench", "default", "none")
            open_s = time.perf_counter() - began
            at_large = [await search_cpu_ms(large, made, queries) for _ in range(rounds)]
            large_mb = resident_mb() - before_mb
            exact = await recall(large, made, chunks, queries)
            await fill(large, made, CHUNKS_PER_DOCUMENT, tenant="other")
            shared = [await search_cpu_ms(large, made, queries) for _ in range(rounds)]
            await fill(edge, made, small)
            await fill(local, made, small)
            pairs = await _paired(edge, local, made, rounds)
    return [
        _figure(f"search_cpu_ms_{chunks}", statistics.median(at_large), goal=5.0),
        _figure(f"search_cpu_ms_{chunks}_two_tenants", statistics.median(shared)),
        _figure(f"recall_at_{CANDIDATES}_{chunks}", exact, goal=0.98, higher=True),
        _figure(f"write_cpu_ms_per_chunk_{chunks}", write_s * 1e3 / chunks, goal=2.0),
        _figure(f"open_s_{chunks}", open_s, goal=2.0),
        _figure(f"resident_mb_{chunks}", large_mb),
        _figure(f"search_cpu_ms_{small}", statistics.median(one for one, _ in pairs)),
        _figure(f"local_mode_search_cpu_ms_{small}", statistics.median(other for _, other in pairs)),
        _figure(
            f"local_mode_over_embedded_{small}",
            statistics.median(other / one for one, other in pairs),
            goal=1.0,
            higher=True,
        ),
    ]


async def _paired(edge: Vectors, local: Vectors, made: Corpus, rounds: int) -> list[tuple[float, float]]:
    """Both in turn, the order reversed every round."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            other = await search_cpu_ms(local, made, 3)
            one = await search_cpu_ms(edge, made, len(made.questions))
        else:
            one = await search_cpu_ms(edge, made, len(made.questions))
            other = await search_cpu_ms(local, made, 3)
        pairs.append((one, other))
    return pairs


def _figure(name: str, value: float, *, goal: float | None = None, higher: bool = False) -> dict[str, Any]:
    ok = goal is None or (value >= goal if higher else value <= goal)
    return {"name": name, "value": round(value, 3), "goal": goal, "ok": ok}


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say whether every goal was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--local", type=int, default=2_000, help="chunks of the comparison with local mode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="the figures only, which is all there is")
    chosen = parser.parse_args(arguments)
    figures = asyncio.run(measure(chosen.chunks, min(chosen.local, chosen.chunks), chosen.rounds, chosen.queries))
    for figure in figures:
        print(json.dumps(figure))
    return 0 if all(figure["ok"] for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
