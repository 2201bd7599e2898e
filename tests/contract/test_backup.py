"""Backups of everything: collections out of either engine into either, the state store, the spool, files; and damage told."""

import asyncio
import errno
import gzip
import io
import tarfile
import threading
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from contract.test_spool import embedded as spool_in
from contract.test_spool import ids, some
from contract.test_state_backup import opener
from contract.test_vectors import server_url as server_url  # noqa: PLC0414 - a fixture
from fakes.chunks import RECIPE, embedded, query, record
from fakes.state_rows import contents, fill
from tandem.adapters.backup.archive import read_through, restored, taken
from tandem.adapters.backup.collections import CollectionsPart, Embedding
from tandem.adapters.backup.files import FilesPart
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.qdrant.server import IN_MEMORY, qdrant_vectors
from tandem.adapters.spool.lock import Lock
from tandem.adapters.spool.part import SpoolPart
from tandem.adapters.state import schema
from tandem.adapters.state.part import StatePart
from tandem.domain.document import Recipe
from tandem.domain.errors import ConfigurationError, InvalidRequest, StoreBusy, StoreMismatch, UnknownCollection
from tandem.domain.lineage import Lineage, Version
from tandem.domain.syncing import Failure, StreamPosition
from tandem.domain.viewer import overseer
from tandem.ports.backup import BackupTold, Member, Part, Tell
from tandem.ports.copying import Copied

T = "acme"
NOW = 1_700_000_000.0
KINDS = ("edge", "in-memory", "server")


@asynccontextmanager
async def store(kind: str, folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Copied]:
    if kind == "edge":
        async with edge_vectors(folder) as vectors:
            yield vectors
        return
    url = IN_MEMORY if kind == "in-memory" else request.getfixturevalue("server_url")
    async with qdrant_vectors(url) as vectors:
        for version in await vectors.every_version():
            await vectors.discard(version.name)
        yield vectors


# One server is one store.
@pytest.fixture(params=[each for each in product(KINDS, KINDS) if each != ("server", "server")], ids="-to-".join)
def kinds(request: pytest.FixtureRequest) -> tuple[str, str]:
    first, second = request.param
    return first, second


def collections(vectors: Copied, recipe: Recipe = RECIPE) -> CollectionsPart:
    async def embedding() -> Embedding:
        return Embedding(recipe.embedder, recipe.dimensions, recipe.sparse)

    return CollectionsPart(vectors, embedding)


def untold(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


async def backed_up(*parts: Part, tell: Tell = untold) -> bytes:
    return b"".join([piece async for piece in taken(parts, tell, tandem="1.2.3", now=NOW)])


async def pieces(data: bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def put_back(data: bytes, *parts: Part, replace: bool = False) -> BackupTold:
    return await restored(parts, pieces(data), untold, replace=replace)


async def filled(vectors: Copied) -> None:
    """Two versions of `docs`, the first of which serves, with two tenants, an access list, a failure and a position; and `logs`."""
    first = await vectors.ensure_collection("docs", RECIPE, Lineage(parts=(("chunker", "x"),), created_at=1.0))
    await put(vectors, first, "long.md", *(f"green part {number}" for number in range(700)))
    for number in range(10):
        await put(
            vectors, first, f"{number}.md", f"red {number}", f"blue {number}", acl=("board",) if number % 2 else ()
        )
    await put(vectors, first, "1.md", "red rival", tenant="rival")
    await vectors.note_failure(first, T, Failure("bad.pdf", "damaged", "It is cut off.", "docs/bad.pdf", 7.0, "/docs"))
    await vectors.note_position(first, T, StreamPosition("kafka", 3, 41))
    second = await vectors.create_version("docs", RECIPE, Lineage(built_from=first, finished_at=2.0))
    await put(vectors, second, "new.md", "yellow")
    await put(vectors, await vectors.ensure_collection("logs", RECIPE), "log.md", "grey")


async def put(vectors: Copied, version: str, name: str, *texts: str, tenant: str = T, **changes: object) -> None:
    await vectors.replace_document(version, tenant, record(name, texts, **changes), embedded(name, texts))


Everything = dict[str, tuple[Version, dict[str, tuple[Any, ...]], dict[str, Any]]]


async def everything(vectors: Copied) -> Everything:
    """Each version with all of its points: their vectors as close as floats of four bytes are."""
    found: Everything = {}
    for version in await vectors.every_version():
        points = [point async for page in vectors.points(version.name) for point in page]
        found[version.name] = (
            version,
            {each.id: (dict(each.payload), each.sparse) for each in points},
            {each.id: pytest.approx(list(each.dense or ()), abs=1e-6) for each in points},
        )
    return found


def same(one: Everything, other: Everything) -> bool:
    assert one.keys() == other.keys()
    for name, (version, payloads, vectors) in one.items():
        assert (version, payloads) == other[name][:2]
        assert vectors == {each: near.expected for each, near in other[name][2].items()}
    return True


async def test_collections_come_back_as_they_were_in_either_engine(
    kinds: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with store(kinds[0], tmp_path / "from", request) as vectors:
        await filled(vectors)
        before = await everything(vectors)
        hits = await vectors.search("docs", query("blue 8", tenant=T, limit=5))
        data = await backed_up(collections(vectors))
    async with store(kinds[1], tmp_path / "to", request) as vectors:
        told = await put_back(data, collections(vectors))
        assert same(before, await everything(vectors))
        assert told.counts["collections"] == {name: len(points) for name, (_, points, _) in before.items()}
        # 700 + 2 * 10 + the rival's one, and two notes.
        assert told.counts["collections"]["docs@1"] == 723
        assert await vectors.resolve("docs") == "docs@1"
        again = await vectors.search("docs", query("blue 8", tenant=T, limit=5))
        assert again.fused[0].chunk.id == hits.fused[0].chunk.id == "8.md#1"
        # What hangs on it goes on: failures, positions, numbers of versions, access lists.
        assert len((await vectors.failures("docs", overseer(T), limit=9)).failures) == 1
        assert await vectors.positions("docs", T, "kafka", [3]) == {3: 41}
        assert await vectors.create_version("docs", RECIPE, Lineage()) == "docs@3"
        assert await vectors.record("docs", T, "1.md") is None
        with pytest.raises(InvalidRequest, match=r"There is something already: the vector store has docs@1"):
            await put_back(data, collections(vectors))
        await put_back(data, collections(vectors), replace=True)
        assert same(before, await everything(vectors))


async def test_documents_are_whole_while_others_write(tmp_path: Path) -> None:
    """Each of them is as it was at one moment, however its chunks lie among those of others."""
    async with edge_vectors(tmp_path / "from") as vectors:
        version = await vectors.ensure_collection("docs", RECIPE)
        for name in range(20):
            await put(vectors, version, f"{name}.md", *(f"first {part}" for part in range(9)))
        going = True

        async def write() -> None:
            turn = 0
            while going:
                turn += 1
                name = f"{turn % 20}.md"
                parts = 5 + turn % 7
                await put(vectors, version, name, *(f"turn {turn} {part}" for part in range(parts)), ingested_at=turn)

        writing = asyncio.create_task(write())
        backups = [await backed_up(collections(vectors)) for _ in range(3)]
        going = False
        await writing
    for number, data in enumerate(backups):
        async with edge_vectors(tmp_path / f"to-{number}") as vectors:
            await put_back(data, collections(vectors))
            assert len(await vectors.marks("docs", overseer(T))) == 20
            for name in range(20):
                document = await vectors.document("docs", T, f"{name}.md")
                assert document is not None
                assert [chunk.ordinal for chunk in document.chunks] == list(range(document.record.chunks))
                assert len({chunk.text.rsplit(" ", 1)[0] for chunk in document.chunks}) == 1


async def test_a_book_lies_in_members_of_some_hundred_chunks(tmp_path: Path) -> None:
    """What is longer than a member may be could be written, and never read again."""
    async with edge_vectors(tmp_path / "from") as vectors:
        version = await vectors.ensure_collection("docs", RECIPE)
        await put(vectors, version, "book.md", *(f"green part {number}" for number in range(1_300)))
        data = await backed_up(collections(vectors))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [tar.extractfile(each) for each in tar if each.name.endswith(".gz")]
        sizes = [len(gzip.decompress(each.read()).splitlines()) for each in members if each is not None]
    assert sizes == [512, 512, 276]
    async with edge_vectors(tmp_path / "to") as vectors:
        assert (await put_back(data, collections(vectors))).counts["collections"] == {"docs@1": 1_300}
        assert (await vectors.counts("docs@1")).chunks == 1_300


async def test_another_embedders_vectors_are_refused_before_anything_is_touched(tmp_path: Path) -> None:
    async with edge_vectors(tmp_path / "from") as vectors:
        await filled(vectors)
        data = await backed_up(collections(vectors))
        other = Recipe("other@2", 64, RECIPE.sparse, RECIPE.chunker)
        with pytest.raises(StoreMismatch, match=r"docs@1 .* words@1 \(32 dimensions.* other@2 \(64"):
            await put_back(data, collections(vectors, other), replace=True)
        assert len(await vectors.every_version()) == 3


async def test_half_a_backup_leaves_no_half_collection(tmp_path: Path) -> None:
    async with edge_vectors(tmp_path / "from") as vectors:
        await filled(vectors)
        data = await backed_up(collections(vectors))
    async with edge_vectors(tmp_path / "to") as vectors:
        with pytest.raises(InvalidRequest, match="cut off"):
            await put_back(data[: len(data) // 2], collections(vectors))
        assert await vectors.every_version() == ()
        with pytest.raises(UnknownCollection):
            await vectors.resolve("docs")


@pytest.mark.parametrize("second", ["sqlite", "postgres"])
async def test_the_state_store_goes_from_one_database_to_the_other(
    second: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    def part(opened: Any) -> StatePart:
        return StatePart(opened, there=True, tandem="1.2.3", now=NOW)

    one, other = opener("sqlite", request, tmp_path / "from"), opener(second, request, tmp_path / "to")
    async with one() as database:
        await database.write(schema.upgrade)
        await database.write(partial(fill, count=300))
        before = await database.read(contents)
    data = await backed_up(part(one))
    told = await put_back(data, part(other))
    assert told.counts["state"] == {name: len(rows) for name, rows in before.items()}
    async with other() as database:
        assert await database.read(contents) == before
    with pytest.raises(InvalidRequest, match="the state store has 300 "):
        await put_back(data, part(other))
    # One that breaks in the middle leaves what is there.
    with pytest.raises(InvalidRequest, match="damaged"):
        await put_back(data[: len(data) // 2], part(other), replace=True)
    async with other() as database:
        assert await database.read(contents) == before
    newer = data.replace(schema.HEAD.encode(), b"9" * len(schema.HEAD), 1)
    with pytest.raises((ConfigurationError, InvalidRequest)):
        await put_back(newer, part(other), replace=True)


async def test_who_leaves_a_backup_leaves_nothing_running(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    opened = opener("sqlite", request, tmp_path / "from")
    async with opened() as database:
        await database.write(schema.upgrade)
        await database.write(partial(fill, count=6_000))
    part = StatePart(opened, there=True, tandem="1.2.3", now=NOW)
    backup = part.taken(untold, {})
    await anext(backup)
    await backup.aclose()  # type: ignore[attr-defined]
    # The file is nobody's any more.
    async with opened() as database:
        await database.write(lambda connection: schema.downgrade(connection, "base"))


def test_a_disk_that_fills_ends_a_backup(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads has more than may wait between the two, and nobody is there any more who takes it."""
    monkeypatch.setattr("tandem.adapters.state.part._PIECE", 10_000)
    opened = opener("sqlite", request, tmp_path / "from")

    async def full() -> None:
        async with opened() as database:
            await database.write(schema.upgrade)
            await database.write(partial(fill, count=3_000))
        written = 0
        async for _ in taken(
            (StatePart(opened, there=True, tandem="1.2.3", now=NOW),), untold, tandem="1.2.3", now=NOW
        ):
            written += 1
            if written == 4:
                raise OSError(errno.ENOSPC, "No space left on device")

    over: list[type[BaseException] | None] = []

    def run() -> None:
        try:
            asyncio.run(full())
        except OSError as error:
            over.append(type(error))

    running = threading.Thread(target=run, daemon=True)
    running.start()
    running.join(30)
    assert over == [OSError]


async def test_records_that_wait_come_back_with_how_far_each_sink_is(tmp_path: Path) -> None:
    async with spool_in(tmp_path / "from") as (spool, write):
        await write(*some(5))
        await spool.shipped("first", (await spool.read("first", most=2)).upto)
        await spool.refuse("first", some(1)[0], "too long")
        # While a process writes to it.
        data = await backed_up(SpoolPart(tmp_path / "from"))
    await put_back(data, SpoolPart(tmp_path / "to"))
    async with spool_in(tmp_path / "to") as (spool, write):
        assert ids(await spool.read("second", most=9)) == [each.id for each in some(5)]
        await write(*some(1, 5))
    with pytest.raises(InvalidRequest, match="the spool has records that wait"):
        await put_back(data, SpoolPart(tmp_path / "to"))
    held = Lock(tmp_path / "to")
    held.take()
    with pytest.raises(StoreBusy):
        await put_back(data, SpoolPart(tmp_path / "to"), replace=True)
    held.release()
    await put_back(data, SpoolPart(tmp_path / "to"), replace=True)


async def test_files_come_back_for_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from/user.key").write_bytes(b"k" * 32)
    data = await backed_up(FilesPart(tmp_path / "from", ("user.key", "none")))
    await put_back(data, FilesPart(tmp_path / "to", ("user.key", "none")))
    assert [each.name for each in (tmp_path / "to").iterdir()] == ["user.key"]
    assert (tmp_path / "to/user.key").stat().st_mode & 0o077 == 0


async def test_what_cannot_be_read_is_named_and_not_the_place_of_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user.key").mkdir()
    (tmp_path / "none").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"user\.key cannot be read: Is a directory"):
        await backed_up(FilesPart(tmp_path, ("user.key", "none")))
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments/1.seg").write_bytes(b"x")

    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigurationError, match=r"The spool's folder .* cannot be used: Permission denied"):
        await backed_up(SpoolPart(tmp_path))


class Fixed:
    """A part with what it is told to have."""

    name = "fixed"

    def __init__(self, *members: Member, held: Sequence[str | None] = ()) -> None:
        self.members = members
        self.got: list[Member] = []
        self._held = iter(held)

    async def about(self) -> Mapping[str, Any] | None:
        return {}

    async def taken(self, tell: Tell, counts: dict[str, int]) -> AsyncIterator[Member]:
        for member in self.members:
            yield member

    async def fits(self, about: Mapping[str, Any]) -> None:
        """Always."""

    async def held(self) -> str | None:
        return next(self._held, None)

    async def put_back(self, members: AsyncIterator[Member], tell: Tell, about: Mapping[str, Any]) -> None:
        self.got = [member async for member in members]


async def test_any_tool_reads_it_and_pieces_may_be_of_any_length() -> None:
    members = (Member("a", b""), Member("b/c", b"x" * 511), Member("b/d", b"y" * 1_025))
    data = await backed_up(Fixed(*members))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["backup.json", "fixed/a", "fixed/b/c", "fixed/b/d", "end.json"]
    for size in (1, 511, 512, 513, 1_000_000):
        into = Fixed()
        await restored([into], pieces(data, size), untold, replace=False)
        assert tuple(into.got) == members


async def test_every_flipped_byte_and_every_cut_is_told() -> None:
    data = await backed_up(Fixed(Member("a", b"text of it"), Member("b", uuid.uuid4().bytes)))
    padding = 2 * 512
    for at in range(0, len(data) - padding, 7):
        bad = bytearray(data)
        bad[at] ^= 0x41
        # An end that tells of something else is still one whose checksum is right only when nothing was changed.
        if at < data.rindex(b"end.json") or b'"members"' in data[at : at + 1]:
            with pytest.raises((InvalidRequest, ConfigurationError)):
                await read_through(pieces(bytes(bad)), untold)
    for cut in range(1, len(data) - padding, 97):
        with pytest.raises(InvalidRequest):
            await read_through(pieces(data[:cut]), untold)
    with pytest.raises(InvalidRequest, match="something follows"):
        await read_through(pieces(data + b"more"), untold)
    # Also where it comes in the piece that the end is in, and nothing but zeros follows.
    with pytest.raises(InvalidRequest, match="something follows"):
        await read_through(pieces(data + b"\0more" + bytes(99), len(data) + 5), untold)


async def test_what_is_begun_while_another_part_is_put_back_is_not_deleted() -> None:
    data = await backed_up(Fixed(Member("a", b"text")))
    into = Fixed(held=(None, "records"))
    with pytest.raises(InvalidRequest, match="There is something already: records"):
        await put_back(data, into)
    assert into.got == []
    await put_back(data, into, replace=True)
    assert into.got


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"", "no backup of Tandem"), (b"\0" * 2_048, "no backup of Tandem"), (b"\x1f\x8b" + b"x" * 999, "no backup")],
)
async def test_what_is_no_backup_is_told_so(data: bytes, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        await read_through(pieces(data), untold)


async def test_a_newer_one_and_parts_that_are_not_known_are_refused() -> None:
    data = await backed_up(Fixed())
    with pytest.raises(ConfigurationError, match=r"cannot be put back here: fixed"):
        await restored([], pieces(data), untold, replace=False)
    with pytest.raises(ConfigurationError, match=r"Tandem 1\.2\.3 made it"):
        await read_through(pieces(data.replace(b'"version":1', b'"version":2', 1)), untold)
