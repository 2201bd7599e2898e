"""Build the next version of an embedded collection, from a process of its own: `python version_builder.py STORE`; a line a step.

It has two documents on a shelf that are read anew and many that nobody keeps a place of, and takes those over.
"""

import asyncio
import sys
from pathlib import Path

from fakes.versions import Archive, Shelf, opened
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.lineage import Place
from tandem.pipeline.versions.rebuilding import rebuild

ME = RequestContext("child")
SHELF = Shelf("/shelf", {f"read-{number}.md": f"# Read {number}\n\nA page that is read." for number in range(8)})
STORED = [f"stored-{number}.md" for number in range(12)]


async def first(store: Path) -> None:
    """The version that serves: stored documents of two tenants."""
    async with edge_vectors(store) as vectors:
        archive = Archive(vectors)
        for id_ in STORED:
            raw = RawDocument(id_, f"# About {id_}\n\nWords of {id_}.".encode(), id_)
            await archive.ingesting.put("docs", raw, RequestContext("r", tenant="other" if "1" in id_ else "default"))


async def build(store: Path) -> None:
    """Say every step, and at the end what was made."""
    async with edge_vectors(store) as vectors:
        # Another recipe, so that everything is made anew.
        archive = Archive(vectors, dimensions=32)
        carrying = archive.building.carrying.carry

        async def told(*arguments: object) -> None:
            print("carry", flush=True)
            await carrying(*arguments)  # type: ignore[arg-type]

        object.__setattr__(archive.building.carrying, "carry", told)
        built = await rebuild(
            archive.ingesting,
            "docs",
            ME,
            open_places=opened(SHELF),
            places=[Place("/shelf")],
            watch=lambda event: print(type(event).__name__, flush=True),
        )
        print("ready", built.version.name, built.version.lineage.documents, flush=True)


if __name__ == "__main__":
    asyncio.run(build(Path(sys.argv[1])))
