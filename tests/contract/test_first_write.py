"""The first writes to a collection come at the same moment, from every shard of an ingest: they make one version."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakes.chunks import RECIPE
from tandem.adapters.qdrant.edge import EdgeEngine
from tandem.adapters.qdrant.store import QdrantVectors


class HeldUp(EdgeEngine):
    """Whoever finds first that there is nothing yet, is held up; the others overtake."""

    looked = False

    async def adopt(self, base: str) -> bool:
        first, self.looked = not self.looked, True
        found = await super().adopt(base)
        while first and base not in await self.serving(fresh=True):
            await asyncio.sleep(0.01)
        return found


async def test_writers_that_begin_together_make_one_version(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as readers:
        engine = HeldUp(tmp_path, readers)
        vectors = QdrantVectors(engine)
        made = await asyncio.gather(*(vectors.ensure_collection("docs", RECIPE) for _ in range(4)))
        assert set(made) == {"docs@1"}
        assert [version.name for version in await vectors.versions("docs")] == ["docs@1"]
        await engine.close()
