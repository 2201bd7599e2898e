"""From a folder on disk to a collection: what is found, what is told, what is written, run after run."""

# ruff: noqa: ASYNC240 - nothing else runs on a test's loop

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fakes.broken_files import docx, docx_bomb, pdf
from tandem.adapters.scripted.embedder import HashingEmbedder, HashingSparse
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.adapters.sources.loader import document_loader
from tandem.adapters.sources.place import source_of
from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import InvalidRequest, Overloaded, StoreFull, UpstreamUnavailable
from tandem.ingestion.progress import Indexing, Listed, Settled, SyncEvent, SyncReport
from tandem.ingestion.shards import Shard
from tandem.pipeline.ingesting import Ingesting
from tandem.pipeline.syncing import sync

CONTEXT = RequestContext("test")


class FrozenClock:
    def monotonic_s(self) -> float:
        return 0.0

    def epoch_s(self) -> float:
        return 0.0


@dataclass
class House:
    ingesting: Ingesting
    vectors: MemoryVectors

    async def sync(self, *places: Path | str, prune: bool = False, **more: object) -> SyncReport:
        sources = [source_of(str(place), max_document_bytes=3_000_000) for place in places]
        return await sync(self.ingesting, sources, collection="docs", context=CONTEXT, prune=prune, **more)  # type: ignore[arg-type]

    async def ids(self) -> list[str]:
        page = await self.ingesting.documents("docs", CONTEXT, limit=1000)
        return [record.id for record in page.records]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    vectors = MemoryVectors()
    async with document_loader(workers=1) as loader:
        yield House(Ingesting(loader, HashingEmbedder(), HashingSparse(), vectors, FrozenClock()), vectors)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "guide").mkdir(parents=True)
    (folder / "index.md").write_text("# Start\n\nWelcome here.", encoding="utf-8")
    (folder / "guide" / "install.md").write_text("# Install\n\nInstall it.", encoding="utf-8")
    (folder / "guide" / "code.py").write_text("def run():\n    pass\n", encoding="utf-8")
    return folder


def _by_id(report: SyncReport) -> dict[str, tuple[str, str | None]]:
    return {outcome.document_id: (outcome.status, outcome.reason) for outcome in report.outcomes}


async def test_ids_begin_with_the_folders_name(house: House, docs: Path) -> None:
    await house.sync(docs)
    assert await house.ids() == ["docs/guide/code.py", "docs/guide/install.md", "docs/index.md"]
    stored = await house.ingesting.document("docs", "docs/guide/install.md", CONTEXT)
    # Where it lies on this machine is nobody's business.
    assert stored.record.source == "docs/guide/install.md"
    assert stored.record.modified_at == (docs / "guide" / "install.md").stat().st_mtime


@pytest.mark.parametrize("spelling", ["docs", "docs/", "./docs", "docs/../docs", "docs/guide/.."])
async def test_ids_do_not_depend_on_how_the_folder_is_spelled(
    house: House, docs: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(docs.parent)
    await house.sync(spelling)
    assert "docs/index.md" in await house.ids()
    monkeypatch.chdir(docs)
    assert (await house.sync(".")).count("unchanged") == 3


async def test_a_single_file_gives_its_name(house: House, docs: Path) -> None:
    await house.sync(docs / "guide" / "install.md")
    assert await house.ids() == ["install.md"]


async def test_a_second_run_writes_nothing(house: House, docs: Path) -> None:
    assert (await house.sync(docs)).count("added") == 3
    writes = house.vectors.writes
    for path in docs.rglob("*.md"):
        os.utime(path, (1, 1))
    for noted in (2, 0):
        # The new versions are noted, the chunks stay; then nothing is left to be done.
        report = await house.sync(docs, prune=True)
        assert report.count("unchanged") == 3
        assert report.chunks == 3
        assert house.vectors.writes == writes + noted
        writes = house.vectors.writes


async def test_changed_is_replaced_and_removed_is_pruned(house: House, docs: Path) -> None:
    await house.sync(docs)
    await house.ingesting.put("docs", RawDocument("docs/by-hand", b"Put by hand.", "by-hand"), CONTEXT)
    (docs / "index.md").write_text("# Start\n\nOther words.", encoding="utf-8")
    (docs / "guide" / "code.py").unlink()
    assert _by_id(await house.sync(docs)) == {
        "docs/guide/install.md": ("unchanged", None),
        "docs/index.md": ("updated", None),
    }
    assert "docs/guide/code.py" in await house.ids()
    report = await house.sync(docs, prune=True)
    assert _by_id(report)["docs/guide/code.py"] == ("removed", None)
    assert await house.ids() == ["docs/by-hand", "docs/guide/install.md", "docs/index.md"]


async def test_pruning_one_folder_leaves_its_neighbour_of_a_longer_name(house: House, docs: Path) -> None:
    other = docs.parent / "docs-old"
    other.mkdir()
    (other / "a.md").write_text("words", encoding="utf-8")
    await house.sync(docs, other)
    await house.sync(docs, prune=True)
    assert "docs-old/a.md" in await house.ids()


async def test_a_document_that_broke_keeps_its_last_good_version(house: House, docs: Path) -> None:
    await house.sync(docs)
    (docs / "index.md").write_bytes(b"")
    report = await house.sync(docs, prune=True)
    assert _by_id(report)["docs/index.md"] == ("failed", "empty")
    assert "docs/index.md" in await house.ids()


async def test_broken_files_fail_alone_each_with_its_reason(house: House, docs: Path) -> None:
    (docs / "cut.pdf").write_bytes(pdf("Some text")[:300])
    (docs / "locked.pdf").write_bytes(pdf("Secret", encrypted=True))
    (docs / "scan.pdf").write_bytes(pdf(""))
    (docs / "bomb.docx").write_bytes(docx_bomb())
    (docs / "fine.docx").write_bytes(docx("Fine words"))
    (docs / "zero.txt").touch()
    (docs / "noise.txt").write_bytes(bytes(range(256)) * 8)
    (docs / "latin.txt").write_bytes("Größe".encode("latin-1"))
    (docs / "back\\slash.txt").write_text("words", encoding="utf-8")
    with (docs / "huge.log").open("wb") as huge:
        huge.truncate(2_000_000_000)
    os.mkfifo(docs / "pipe.txt")
    report = await house.sync(docs)
    outcomes = _by_id(report)
    assert {id_: reason for id_, (status, reason) in outcomes.items() if status == "failed"} == {
        "docs/back\\slash.txt": "invalid_request",
        "docs/bomb.docx": "too_large",
        "docs/cut.pdf": "damaged",
        "docs/huge.log": "too_large",
        "docs/locked.pdf": "encrypted",
        "docs/noise.txt": "unsupported",
        "docs/scan.pdf": "no_text",
        "docs/zero.txt": "empty",
    }
    assert report.count("added") == 5
    assert all(outcome.message for outcome in report.failed)


async def test_names_that_cannot_be_shown_are_shown_otherwise(house: House, docs: Path) -> None:
    (Path(os.fsdecode(os.fsencode(docs) + b"/bad\xff.md"))).write_text("words", encoding="utf-8")
    (docs / "new\nline.md").write_text("words", encoding="utf-8")
    await house.sync(docs)
    assert {"docs/bad\ufffd.md", "docs/new\ufffdline.md"} <= set(await house.ids())


async def test_what_tools_made_and_what_holds_no_text_is_passed_over(house: House, docs: Path) -> None:
    for name in (".git", "node_modules", "__pycache__", ".venv", ".hidden"):
        (docs / name).mkdir()
        (docs / name / "x.md").write_text("words", encoding="utf-8")
    (docs / ".secret.md").write_text("words", encoding="utf-8")
    (docs / "a.png").write_bytes(b"\x89PNG")
    (docs / "b.PNG").write_bytes(b"\x89PNG")
    report = await house.sync(docs)
    assert len(await house.ids()) == 3
    assert report.skipped == {".png": 2}
    assert _by_id(await house.sync(docs / "a.png")) == {"a.png": ("failed", "unsupported")}


async def test_links_are_followed_inside_once_and_never_outside(house: House, docs: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("outside", encoding="utf-8")
    (docs / "loop").symlink_to(docs)
    (docs / "guide" / "up").symlink_to("..")
    (docs / "self").symlink_to("self")
    (docs / "gone.md").symlink_to("nowhere")
    (docs / "out.md").symlink_to(tmp_path / "outside.md")
    (docs / "alias.md").symlink_to("index.md")
    await house.sync(docs)
    assert await house.ids() == ["docs/alias.md", "docs/guide/code.py", "docs/guide/install.md", "docs/index.md"]
    (tmp_path / "linked").symlink_to(docs)
    assert (await house.sync(tmp_path / "linked")).count("added") == 4
    assert "linked/index.md" in await house.ids()


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything, so it is somebody else meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_what_may_not_be_read_fails_alone_and_forbids_pruning(house: House) -> None:
    with TemporaryDirectory() as open_to_all:
        docs = Path(open_to_all) / "docs"
        docs.mkdir()
        (docs / "closed").mkdir()
        for path in (docs / "a.md", docs / "b.md", docs / "closed" / "c.md"):
            path.write_text(f"# {path.name}", encoding="utf-8")
        Path(open_to_all).chmod(0o755)
        await house.sync(docs)
        (docs / "b.md").write_text("# other", encoding="utf-8")
        (docs / "b.md").chmod(0)
        (docs / "closed").chmod(0)
        with nobody():
            report = await house.sync(docs, prune=True)
        assert report.prune_refused
        assert _by_id(report) == {
            "docs/a.md": ("unchanged", None),
            "docs/b.md": ("failed", "unreadable"),
            "docs/closed": ("failed", "unreadable"),
        }
        assert await house.ids() == ["docs/a.md", "docs/b.md", "docs/closed/c.md"]
        docs.chmod(0)
        with nobody(), pytest.raises(InvalidRequest, match="may not be read"):
            await house.sync(docs)
        for path in (docs, docs / "closed"):
            path.chmod(0o700)


async def test_a_file_that_vanished_after_it_was_listed_fails_alone(house: House, docs: Path) -> None:
    def vanish(event: SyncEvent) -> None:
        if isinstance(event, Listed):
            (docs / "index.md").unlink()

    report = await house.sync(docs, watch=vanish)
    assert _by_id(report)["docs/index.md"] == ("failed", "unreadable")
    assert report.count("added") == 2


@pytest.mark.parametrize("place", ["missing", "missing.md", "/dev/null", "no\x00where", "http://", "https://u:p@host/"])
async def test_a_place_that_is_none_is_told_before_anything_is_written(house: House, docs: Path, place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await house.sync(docs, docs / place if "missing" in place else place)
    assert caught.value.param == "path"
    assert house.vectors.writes == 0


async def test_two_places_of_one_name_do_not_overwrite_each_other(house: House, docs: Path, tmp_path: Path) -> None:
    twin = tmp_path / "other" / "docs"
    twin.mkdir(parents=True)
    (twin / "index.md").write_text("other", encoding="utf-8")
    report = await house.sync(docs, twin)
    assert ("failed", "duplicate_id") in [
        (o.status, o.reason) for o in report.outcomes if o.document_id == "docs/index.md"
    ]
    assert (await house.ingesting.document("docs", "docs/index.md", CONTEXT)).record.title == "Start"
    assert (await house.sync(docs, docs)).failed == ()


async def test_events_tell_the_whole_run(house: House, docs: Path) -> None:
    events: list[SyncEvent] = []
    report = await house.sync(docs, watch=events.append)
    assert isinstance(events[0], Listed)
    assert (events[0].documents, events[0].bytes) == (3, sum(p.stat().st_size for p in docs.rglob("*") if p.is_file()))
    settled = [event for event in events if isinstance(event, Settled)]
    assert [(event.done, event.total) for event in settled] == [(1, 3), (2, 3), (3, 3)]
    assert isinstance(events[-1], Indexing)
    assert sorted(event.outcome.document_id for event in settled) == sorted(_by_id(report))


async def test_two_runs_at_once_write_each_document_once(house: House, docs: Path) -> None:
    first, second = await asyncio.gather(house.sync(docs), house.sync(docs))
    assert (first.count("added") + second.count("added"), house.vectors.writes) == (3, 3)
    assert first.count("unchanged") + second.count("unchanged") == 3


async def test_an_empty_folder_is_fine(house: House, tmp_path: Path) -> None:
    report = await house.sync(tmp_path, prune=True)
    assert report.outcomes == ()


class Moody:
    """The ingestor, after some failures."""

    def __init__(self, inner: Ingesting, failures: list[Exception]) -> None:
        self._inner, self._failures = inner, failures

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        if self._failures:
            raise self._failures.pop(0)
        return await self._inner.put(collection, document, context)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


async def test_a_busy_peer_gets_more_chances(house: House, docs: Path) -> None:
    moody = Moody(house.ingesting, [Overloaded("busy", retry_after_s=0), Overloaded("busy", retry_after_s=0)])
    report = await sync(moody, [source_of(str(docs))], collection="docs", context=CONTEXT)  # type: ignore[arg-type]
    assert report.count("added") == 3


@pytest.mark.parametrize("error", [StoreFull("full"), UpstreamUnavailable("away")])
async def test_what_concerns_the_store_ends_the_run(
    house: House, docs: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.pipeline.putting._FIRST_PAUSE_S", 0.0)
    moody = Moody(house.ingesting, [error] * 100)
    with pytest.raises(type(error)):
        await sync(moody, [source_of(str(docs))], collection="docs", context=CONTEXT)  # type: ignore[arg-type]


async def test_a_run_that_is_stopped_leaves_whole_documents_and_is_completed_by_the_next(
    house: House, docs: Path
) -> None:
    for number in range(20):
        (docs / f"{number:02}.md").write_text(f"# Page {number}\n\nwords", encoding="utf-8")
    some = asyncio.Event()

    def watch(event: SyncEvent) -> None:
        if isinstance(event, Settled):
            some.set()

    running = asyncio.create_task(house.sync(docs, watch=watch))
    await some.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    before = len(await house.ids())
    assert 0 < before < 23
    report = await house.sync(docs)
    assert (report.count("unchanged"), report.count("added")) == (before, 23 - before)


async def test_shards_together_are_the_whole(house: House, docs: Path) -> None:
    for number in range(12):
        (docs / f"more-{number}.md").write_text(f"# More\n\nPage {number} has a word of its own: {number * 7}.")
    reports = [await house.sync(docs, shard=Shard(index, 3)) for index in range(3)]
    everything = await house.ids()
    assert sorted(outcome.document_id for report in reports for outcome in report.outcomes) == everything
    assert all(report.count("added") for report in reports)
    assert (await house.sync(docs)).count("unchanged") == len(everything)


async def test_a_shard_prunes_its_own_documents_only(house: House, docs: Path) -> None:
    for number in range(12):
        (docs / f"more-{number}.md").write_text(f"# More\n\nPage {number} has a word of its own: {number * 7}.")
    await house.sync(docs)
    gone = sorted(f"docs/more-{number}.md" for number in range(12))
    for number in range(12):
        (docs / f"more-{number}.md").unlink()
    first = await house.sync(docs, prune=True, shard=Shard(0, 2))
    removed = [outcome.document_id for outcome in first.outcomes if outcome.status == "removed"]
    assert 0 < len(removed) < 12
    assert removed == [each for each in gone if Shard(0, 2).holds(each)]
    assert not set(removed) & set(await house.ids())
    second = await house.sync(docs, prune=True, shard=Shard(1, 2))
    assert second.count("removed") == 12 - len(removed)
