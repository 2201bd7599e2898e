"""The first writes to a collection come at the same moment, from every shard of an ingest: they make one version."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from fakes.chunks import RECIPE
from tandem.adapters.qdrant.connection import IN_MEMORY, connected
from tandem.adapters.qdrant.edge import EdgeEngine
from tandem.adapters.qdrant.server import ServerEngine
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.adapters.qdrant.writing import Pressure, Writing
from tandem.domain.document import Recipe
from tandem.domain.lineage import UNTOLD, Lineage


class HeldUp(EdgeEngine):
    """Whoever finds first that there is nothing yet, is held up; the others overtake."""

    looked = False

    async def adopt(self, base: str) -> bool:
        first, self.looked = not self.looked, True
        found = await super().adopt(base)
        while first and base not in await self.serving(fresh=True):
            await asyncio.sleep(0.01)
        return found


class Overtaken(ServerEngine):
    """Another process's first version comes to serve just when this one has found that there is none."""

    other: ServerEngine

    async def create(self, name: str, recipe: Recipe, lineage: Lineage) -> None:
        await self.other.create("docs@1", recipe, UNTOLD)
        await self.other.point("docs", "docs@1", None)
        await super().create(name, recipe, lineage)


async def test_a_version_that_came_too_late_is_taken_away_again() -> None:
    async with connected(IN_MEMORY, api_key=None, grpc_port=None, timeout_s=5.0, max_kept=4) as connection:
        engine = Overtaken(connection, Writing(Pressure()), indexed=False)
        engine.other = ServerEngine(connection, Writing(Pressure()), indexed=False)
        await engine.other.create("docs@7", replace(RECIPE, chunker="lines@2"), UNTOLD)
        vectors = QdrantVectors(engine)
        assert await vectors.ensure_collection("docs", RECIPE) == "docs@1"
        assert [version.name for version in await vectors.versions("docs")] == ["docs@1", "docs@7"]


async def test_writers_that_begin_together_make_one_version(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as readers:
        engine = HeldUp(tmp_path, readers)
        vectors = QdrantVectors(engine)
        made = await asyncio.gather(*(vectors.ensure_collection("docs", RECIPE) for _ in range(4)))
        assert set(made) == {"docs@1"}
        assert [version.name for version in await vectors.versions("docs")] == ["docs@1"]
        await engine.close()
