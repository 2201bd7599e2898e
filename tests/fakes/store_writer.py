"""A process that writes to an embedded store until it is killed: by itself after so many steps, or by whoever watches it.

store_writer.py FOLDER steps N   replace guide.md, and die by SIGKILL before write N of the engine
store_writer.py FOLDER endless   put one document after another, a line each
store_writer.py FOLDER hold      open the store, say so, and wait
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakes.chunks import RECIPE, embedded, record
from tandem.adapters.qdrant.conditions import Where
from tandem.adapters.qdrant.edge import EdgeEngine, edge_vectors
from tandem.adapters.qdrant.payload import NewPoint
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.ports.vectors import Vectors

OLD = [f"old text {number}" for number in range(150)]
NEW = [f"new words {number}" for number in range(100)]


class MortalEngine(EdgeEngine):
    """Dies before the write that would be one too many."""

    writes_left = 0

    async def upsert(self, name: str, points: Sequence[NewPoint]) -> None:
        self._live_or_die()
        await super().upsert(name, points)

    async def delete(self, name: str, where: Where) -> None:
        self._live_or_die()
        await super().delete(name, where)

    def _live_or_die(self) -> None:
        if self.writes_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.writes_left -= 1


async def put(vectors: Vectors, document_id: str, texts: Sequence[str]) -> None:
    await vectors.replace_document("docs", "acme", record(document_id, texts), embedded(document_id, texts))


async def write_some(folder: Path, steps: int) -> None:
    with ThreadPoolExecutor(2) as readers:
        engine = MortalEngine(folder, readers)
        engine.writes_left = steps
        await put(QdrantVectors(engine), "guide.md", NEW)
        await engine.close()


async def write_on(folder: Path) -> None:
    async with edge_vectors(folder) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        for number in range(1_000_000):
            await put(vectors, f"{number % 7}.md", [f"text {number} {part}" for part in range(90)])
            print(number, flush=True)


async def hold(folder: Path) -> None:
    async with edge_vectors(folder):
        print("open", flush=True)
        await asyncio.sleep(600)


if __name__ == "__main__":
    where, what, *rest = sys.argv[1:]
    match what:
        case "steps":
            asyncio.run(write_some(Path(where), int(rest[0])))
        case "endless":
            asyncio.run(write_on(Path(where)))
        case _:
            asyncio.run(hold(Path(where)))
