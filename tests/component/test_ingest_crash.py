"""An ingest that is killed: the store opens, and the next run makes it what one clean run would have made."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import fakes
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.domain.document import StoredDocument

_CHILD = Path(fakes.__path__[0]) / "ingest_folder.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(14):
        parts = "\n\n".join(
            f"## Part {part}\n\nPage {number} tells about part {part}, with words of its own: {number * 7 + part}. " * 2
            for part in range(5)
        )
        (docs / f"page-{number:02}.md").write_text(f"# Page {number}\n\n{parts}\n", encoding="utf-8")
    return docs


@asynccontextmanager
async def child(store: Path, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An ingest in a process of its own; ended with the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_CHILD), str(store), str(folder), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    async for line in process.stdout:
        yield line.decode().strip()


async def _run(store: Path, folder: Path) -> list[str]:
    async with child(store, folder) as process:
        return [line async for line in _lines(process)]


async def _killed_after(store: Path, folder: Path, documents: int) -> None:
    async with child(store, folder) as process:
        settled = 0
        async for line in _lines(process):
            settled += line == "Settled"
            if line == "Indexing":
                pytest.fail("it was done before it was killed")
            if settled == documents:
                process.send_signal(signal.SIGKILL)
                break
        await process.wait()


async def _content(store: Path, *, complete: bool = True) -> list[StoredDocument]:
    async with edge_vectors(store) as vectors:
        page = await vectors.documents("docs", "default", limit=100)
        stored = [await vectors.document("docs", "default", record.id) for record in page.records]
        (info,) = await vectors.collections("default")
        documents = [replace(each, record=replace(each.record, ingested_at=0.0)) for each in stored if each is not None]
        assert info.documents == len(documents)
        # Chunks of a document that was being written when the process died count, until the next run completes it.
        assert info.chunks >= sum(len(each.chunks) for each in documents)
        assert not complete or info.chunks == sum(len(each.chunks) for each in documents)
        return documents


@pytest.mark.timeout(300)
async def test_killed_again_and_again_then_completed(folder: Path, tmp_path: Path) -> None:
    store, clean = tmp_path / "store", tmp_path / "clean"
    for more in (2, 4, 7):
        await _killed_after(store, folder, more)
        assert all(each.record.chunks == len(each.chunks) for each in await _content(store, complete=False))
    assert (await _run(store, folder))[-1].startswith("counts")
    assert (await _run(clean, folder))[-1] == "counts 14 0 0"
    completed = await _content(store)
    assert len(completed) == 14
    assert completed == await _content(clean)
    assert (await _run(store, folder))[-1] == "counts 0 14 0"


@pytest.mark.timeout(120)
async def test_a_second_process_is_told_that_the_store_is_taken(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with edge_vectors(store):
        (line,) = await _run(store, folder)
    assert line.startswith("busy")
    assert "--url" in line
