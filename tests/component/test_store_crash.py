"""The embedded store outlives kill -9, a full disk and a second process."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes import store_writer
from fakes.chunks import RECIPE, embedded, query, record
from tandem.adapters.qdrant.edge import EdgeEngine, edge_vectors
from tandem.adapters.qdrant.payload import NewPoint
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.domain.document import StoredDocument
from tandem.domain.errors import ConfigurationError, StoreBusy, StoreFull, StoreMismatch, UnknownCollection
from tandem.ports.vectors import Vectors

WRITER = Path(store_writer.__file__)
# The engine's writes of one replaced document: 64 chunks and 35, what is left over of a longer one, the first chunk.
WRITES = 4


@contextlib.contextmanager
def writer(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(WRITER), str(folder), *arguments]
    environment = {"PYTHONPATH": str(WRITER.parent.parent)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def put(vectors: Vectors, document_id: str, texts: list[str]) -> None:
    await vectors.replace_document("docs", "acme", record(document_id, texts), embedded(document_id, texts))


async def contents(vectors: Vectors) -> list[StoredDocument | None]:
    page = await vectors.documents("docs", "acme", limit=100)
    return [await vectors.document("docs", "acme", each.id) for each in page.records]


@pytest.fixture
async def clean(tmp_path_factory: pytest.TempPathFactory) -> list[StoredDocument | None]:
    """What the store holds when nothing went wrong."""
    async with edge_vectors(tmp_path_factory.mktemp("clean")) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        await put(vectors, "guide.md", store_writer.NEW)
        return await contents(vectors)


@pytest.mark.parametrize("before", [[], store_writer.OLD])
@pytest.mark.parametrize("writes", range(WRITES + 1))
async def test_killed_between_two_writes(
    tmp_path: Path, before: list[str], writes: int, clean: list[StoredDocument | None]
) -> None:
    async with edge_vectors(tmp_path) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        if before:
            await put(vectors, "guide.md", before)
    with writer(tmp_path, "steps", str(writes)) as process:
        killed = process.wait(60) == -signal.SIGKILL
    # Nothing is left over where nothing was.
    assert killed == (writes < (WRITES if before else WRITES - 1))
    async with edge_vectors(tmp_path) as vectors:
        found = await vectors.record("docs", "acme", "guide.md")
        expected = (record("guide.md", before) if before else None) if killed else record("guide.md", store_writer.NEW)
        assert found == expected
        await put(vectors, "guide.md", store_writer.NEW)
        assert await contents(vectors) == clean


@pytest.mark.parametrize("documents", [1, 3, 8])
async def test_killed_at_any_moment(tmp_path: Path, documents: int) -> None:
    """The line after which it is killed is the only certainty: the next document is being written then."""
    with writer(tmp_path, "endless") as process:
        assert process.stdout is not None
        for _ in range(documents):
            last = int(process.stdout.readline())
        process.kill()
        process.wait()
        last = max([last, *(int(line) for line in process.stdout.read().splitlines() if line)])
    async with edge_vectors(tmp_path) as vectors:
        for number in range(last + 1):
            if number + 7 <= last + 1:
                continue  # overwritten, or being so
            texts = [f"text {number} {part}" for part in range(90)]
            found = await vectors.document("docs", "acme", f"{number % 7}.md")
            assert found is not None
            assert found.record == record(f"{number % 7}.md", texts)
            assert [chunk.text for chunk in found.chunks] == texts
        await put(vectors, f"{(last + 1) % 7}.md", ["whole again"])
        assert [c.text for d in await contents(vectors) if d is not None for c in d.chunks].count("whole again") == 1


async def test_killed_while_a_collection_is_made(tmp_path: Path) -> None:
    """A folder without a recipe is what is left then."""
    async with edge_vectors(tmp_path) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        await put(vectors, "guide.md", ["lost with the collection"])
    (tmp_path / "docs@1" / "recipe.json").unlink()
    async with edge_vectors(tmp_path) as vectors:
        assert await vectors.collections("acme") == []
        with pytest.raises(UnknownCollection):
            await vectors.record("docs", "acme", "guide.md")
        await vectors.ensure_collection("docs", RECIPE)
        assert await vectors.record("docs", "acme", "guide.md") is None


async def test_a_store_is_there_after_a_restart(tmp_path: Path) -> None:
    for version in ("first", "second"):
        async with edge_vectors(tmp_path) as vectors:
            await vectors.ensure_collection("docs", RECIPE)
            await put(vectors, f"{version}.md", [f"the {version} text"])
    async with edge_vectors(tmp_path) as vectors:
        hits = await vectors.search("docs", query("the second text"))
        assert [each.chunk.id for each in hits.fused] == ["second.md#0", "first.md#0"]


async def test_tenants_are_told_apart_after_a_restart(tmp_path: Path) -> None:
    async with edge_vectors(tmp_path) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        await put(vectors, "guide.md", ["green tea"])
        rival = ["green secret"]
        await vectors.replace_document("docs", "rival", record("r.md", rival), embedded("r.md", rival))
    for tenant, expected in (("acme", ["guide.md#0"]), ("rival", ["r.md#0"]), ("nobody", [])):
        async with edge_vectors(tmp_path) as vectors:
            hits = await vectors.search("docs", query("green secret tea", tenant=tenant, limit=1))
            assert [each.chunk.id for each in hits.dense] == [each.chunk.id for each in hits.sparse] == expected


async def test_a_second_process_is_told_to_wait(tmp_path: Path) -> None:
    with writer(tmp_path, "hold") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy) as caught:
            async with edge_vectors(tmp_path):
                pass
        assert "--url" in (caught.value.hint or "")
    async with edge_vectors(tmp_path) as vectors:
        assert await vectors.collections("acme") == []


async def test_a_second_store_in_this_process_as_well(tmp_path: Path) -> None:
    async with edge_vectors(tmp_path):
        with pytest.raises(StoreBusy):
            async with edge_vectors(tmp_path):
                pass


async def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(ConfigurationError) as caught:
        async with edge_vectors(tmp_path / "data" / "collections"):
            pass
    assert "data_dir" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"embedder": "x"}', "\xff"])
async def test_a_recipe_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    async with edge_vectors(tmp_path) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
    (tmp_path / "docs@1" / "recipe.json").write_bytes(text.encode("latin-1"))
    async with edge_vectors(tmp_path) as vectors:
        with pytest.raises(StoreMismatch):
            await vectors.ensure_collection("docs", RECIPE)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 MB."""
    if os.geteuid() != 0:
        pytest.skip("a full disk needs a mount: run as root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a full disk needs a mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    async with edge_vectors(small_disk / "collections") as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        await put(vectors, "guide.md", ["before it was full"])
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(200 * 1024 * 1024))
        with pytest.raises(StoreFull) as caught:
            await put(vectors, "other.md", store_writer.OLD)
        assert caught.value.hint
        with pytest.raises(StoreFull):
            await vectors.ensure_collection("more", RECIPE)
        assert [each.chunk.text for each in (await vectors.search("docs", query("full"))).fused] == [
            "before it was full"
        ]
        ballast.unlink()
        await put(vectors, "other.md", ["after it was full"])
    async with edge_vectors(small_disk / "collections") as vectors:
        assert [each.name for each in await vectors.collections("acme")] == ["docs"]
        texts = [chunk.text for document in await contents(vectors) if document for chunk in document.chunks]
        assert texts == ["before it was full", "after it was full"]


class FullAfterOne(EdgeEngine):
    """The disk fills up with the first batch."""

    batches = 0

    async def upsert(self, name: str, points: Sequence[NewPoint]) -> None:
        self.batches += 1
        if self.batches > 1:
            raise StoreFull("no space")
        await super().upsert(name, points)


@pytest.mark.parametrize("before", [[], store_writer.OLD])
async def test_a_disk_that_fills_up_within_a_document(tmp_path: Path, before: list[str]) -> None:
    async with edge_vectors(tmp_path) as vectors:
        await vectors.ensure_collection("docs", RECIPE)
        if before:
            await put(vectors, "guide.md", before)
    with ThreadPoolExecutor(2) as readers:
        engine = FullAfterOne(tmp_path, readers)
        with pytest.raises(StoreFull):
            await put(QdrantVectors(engine), "guide.md", store_writer.NEW)
        await engine.close()
    async with edge_vectors(tmp_path) as vectors:
        assert await vectors.record("docs", "acme", "guide.md") == (record("guide.md", before) if before else None)
        (info,) = await vectors.collections("acme")
        assert (info.documents, info.chunks) == ((1, 150) if before else (0, 0))
