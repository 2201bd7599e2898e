"""Ingest a folder into an embedded store, from a process of its own: `python ingest_folder.py STORE FOLDER`; one line a document."""

import asyncio
import sys
from pathlib import Path

from tandem.adapters.embeddings.bm25 import Bm25Embedder
from tandem.adapters.embeddings.minilm import minilm_embedder
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.sources.loader import document_loader
from tandem.adapters.sources.place import source_of
from tandem.app.clock import SystemClock
from tandem.domain.context import RequestContext
from tandem.domain.errors import StoreBusy
from tandem.pipeline.ingesting import Ingesting
from tandem.pipeline.syncing import sync


async def ingest(store: Path, folder: str) -> None:
    """Print events as they come, then the counts."""
    async with (
        edge_vectors(store) as vectors,
        minilm_embedder(threads=1) as embedder,
        document_loader(workers=1) as loader,
    ):
        ingesting = Ingesting(
            loader, embedder, Bm25Embedder(), vectors, SystemClock(), chunk_tokens=48, chunk_overlap=8
        )
        report = await sync(
            ingesting,
            [source_of(folder)],
            collection="docs",
            context=RequestContext("child"),
            watch=lambda event: print(type(event).__name__, flush=True),
        )
    print("counts", report.count("added"), report.count("unchanged"), report.count("failed"), flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(ingest(Path(sys.argv[1]), sys.argv[2]))
    except StoreBusy as error:
        print("busy", error.hint, flush=True)
        sys.exit(1)
