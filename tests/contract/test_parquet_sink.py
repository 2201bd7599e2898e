"""Records as Parquet: what other programs read, in a folder and in an object store, and what is deleted from it."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import duckdb
import orjson
import pytest

from fakes.object_store import aws_variables, object_store
from fakes.records import ANSWER, PASSAGE, QUESTION, answer_record
from tandem.adapters.parquet.keeping import ParquetKeeping
from tandem.adapters.parquet.places import Folder, Place, place
from tandem.adapters.parquet.schema import COLUMNS, PARTITIONED
from tandem.adapters.parquet.sink import ParquetSink
from tandem.domain.errors import ConfigurationError, DocumentRejected, UpstreamUnavailable
from tandem.domain.question import Sampling
from tandem.domain.record import AnswerRecord

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DAY = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
NEXT_S = 86_400.0


def record(id_: str = "rcpt-1", *, days: float = 0, **changes: Any) -> AnswerRecord:
    return answer_record(id_, began_at=DAY.timestamp() + days * NEXT_S, **changes)


def read(root: Path, what: str = "*") -> list[tuple[Any, ...]]:
    """By a query over all files, as a user would."""
    return duckdb.execute(
        f"SELECT {what} FROM read_parquet('{root}/*/*/*.parquet', hive_partitioning = true)"
    ).fetchall()


def described(root: Path) -> list[tuple[str, str]]:
    """Its columns, with their types."""
    query = f"DESCRIBE SELECT * FROM read_parquet('{root}/*/*/*.parquet', hive_partitioning = true)"
    return [(row[0], row[1]) for row in duckdb.execute(query).fetchall()]


def inside(root: Path, pattern: str = "*.parquet") -> list[Path]:
    """Files, in order."""
    return sorted(root.rglob(pattern))


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with object_store() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "objects"])
def where(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "folder":
        return place(str(tmp_path / "records"))
    import s3fs

    for name, value in aws_variables(request.getfixturevalue("store")).items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    if files.exists("lake"):
        files.rm("lake", recursive=True)
    files.mkdir("lake")
    return place("s3://lake/records/")


async def test_a_row_says_all_of_the_record(tmp_path: Path) -> None:
    full = replace(record(user="jo"), sampling=Sampling(64, 0.0, 0.9, ("END",), 7))
    await ParquetSink(place(str(tmp_path))).ship([full])
    (row,) = read(tmp_path, "* REPLACE (epoch_us(began_at) AS began_at)")
    names = [column[0] for column in described(tmp_path)]
    told = dict(zip(names, row, strict=True))
    assert orjson.loads(told["options"])["top_k"] is None
    assert told["began_at"] == DAY.timestamp() * 1e6
    assert ("began_at", "TIMESTAMP WITH TIME ZONE") in described(tmp_path)
    assert (told["day"], told["tenant"]) == (date(2026, 3, 1), "acme")
    assert told["question"] == QUESTION
    assert told["answer"] == ANSWER
    assert told["user_id"] == "jo"
    assert told["conversation"] == [{"role": "user", "content": "Hello."}]
    assert told["passages"][0]["content"] == PASSAGE
    assert told["passages"][0]["dense"] == 0.5
    assert told["citations"] == [{"number": 1, "chunk_id": "harbour.md#0", "start_char": 2, "end_char": 7}]
    assert told["stages"][1] == {"name": "generation", "began_s": 0.1, "took_s": 0.4}
    assert told["scores"] == {"support": 0.75}
    assert told["redacted"] == {"email": 1}
    assert (told["max_tokens"], told["temperature"], told["stop"], told["seed"]) == (64, 0.0, ["END"], 7)
    assert told["relevance"] == 0.875
    assert told["error_code"] is None


def test_the_columns_are_the_record() -> None:
    # A field that is new in the record wants a column.
    told = {column.field for column in COLUMNS} | set(PARTITIONED.values())
    assert {field for field in leaves(AnswerRecord) if not field.startswith("retrieval.options.")} == told - {
        "retrieval.options"
    }
    assert {column.name for column in COLUMNS}.isdisjoint(PARTITIONED)


def leaves(of: Any, below: str = "") -> Iterator[str]:
    """Every field that holds no part of the record with fields of its own."""
    types = get_type_hints(of)
    for field in fields(of):
        held = [each for each in (*get_args(types[field.name]), types[field.name]) if is_dataclass(each)]
        if held and get_origin(types[field.name]) is not tuple:
            yield from leaves(held[0], f"{below}{field.name}.")
        else:
            yield f"{below}{field.name}"


async def test_days_and_tenants_have_folders(tmp_path: Path) -> None:
    sink = ParquetSink(place(str(tmp_path)))
    await sink.ship([record("a"), record("b", tenant="globex"), record("c", days=0.5), record("d")])
    files = [file.relative_to(tmp_path).parent.as_posix() for file in inside(tmp_path)]
    assert files == ["day=2026-03-01/tenant=acme", "day=2026-03-01/tenant=globex", "day=2026-03-02/tenant=acme"]
    assert sorted(read(tmp_path, "id, CAST(day AS VARCHAR), tenant")) == [
        ("a", "2026-03-01", "acme"),
        ("b", "2026-03-01", "globex"),
        ("c", "2026-03-02", "acme"),
        ("d", "2026-03-01", "acme"),
    ]


@pytest.mark.parametrize("tenant", ["..", ".", "../../etc", "a/b", "a b", "naïve", "tenant=x", "%2e%2e", "", "day=1/x"])
async def test_no_tenant_leaves_its_folder(tmp_path: Path, tenant: str) -> None:
    root = tmp_path / "records"
    await ParquetSink(place(str(root))).ship([record(tenant=tenant)])
    (file,) = inside(tmp_path)
    assert len(file.relative_to(root).parts) == 3
    keeping = ParquetKeeping(place(str(root)))
    assert await keeping.tenants() == (tenant,)
    assert await keeping.drop(tenant, date(2026, 4, 1)) == 1


async def test_in_an_object_store_as_in_a_folder(where: Place) -> None:
    sink = ParquetSink(where)
    await sink.ship([record("a"), record("b", tenant="globex")])
    await sink.ship([record("a"), record("b", tenant="globex"), record("c")])
    assert len(where.files()) == 2
    keeping = ParquetKeeping(where)
    assert await keeping.tenants() == ("acme", "globex")
    rows = [row["id"] for row in await keeping.export(["jo"])]
    assert rows == []


def kept(where: Place, folder: Path) -> list[str]:
    """The ids of all rows."""
    found: list[str] = []
    for path in where.files():
        table = folder / "table"
        table.write_bytes(where.get(path) or b"")
        found += [row[0] for row in duckdb.execute(f"SELECT id FROM read_parquet('{table}')").fetchall()]
    return sorted(found)


async def test_a_users_rows_are_exported_and_go(where: Place, tmp_path: Path) -> None:
    sink = ParquetSink(where)
    await sink.ship([record("a", user="jo"), record("b", user="ann"), record("c")])
    await sink.ship([record("d", user="jo", days=1)])
    await sink.ship([record("e", user="jo", tenant="globex")])
    keeping = ParquetKeeping(where)
    mine = await keeping.export(["jo"], "acme")
    assert [(row["id"], row["day"], row["tenant"]) for row in mine] == [
        ("a", "2026-03-01", "acme"),
        ("d", "2026-03-02", "acme"),
    ]
    assert mine[0]["began_at"] == "2026-03-01T12:30:15.250000Z"
    assert await keeping.forget(["jo", "user-0123"], "acme") == 2
    assert await keeping.forget(["jo"], "acme") == 0
    assert await keeping.export(["jo"], "acme") == []
    assert [row["id"] for row in await keeping.export(["ann", "jo"])] == ["b", "e"]
    assert kept(where, tmp_path) == ["b", "c", "e"]
    # Of the day that only had rows of that user nothing is left.
    assert len(where.files()) == 2
    assert await keeping.forget([]) == 0


async def test_old_days_go(where: Place) -> None:
    sink = ParquetSink(where)
    for number in range(3):
        await sink.ship([record(f"a{number}", days=number), record(f"b{number}", days=number, tenant="globex")])
    keeping = ParquetKeeping(where)
    assert await keeping.drop("acme", date(2026, 3, 3)) == 2
    assert await keeping.drop("acme", date(2026, 3, 3)) == 0
    assert [path.split("/")[:2] for path in where.files()] == [
        ["day=2026-03-01", "tenant=globex"],
        ["day=2026-03-02", "tenant=globex"],
        ["day=2026-03-03", "tenant=acme"],
        ["day=2026-03-03", "tenant=globex"],
    ]


async def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    for name in ("notes.parquet", "day=2026-03-01/stray.parquet", "day=soon/tenant=acme/x.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"PAR1")
    keeping = ParquetKeeping(place(str(tmp_path)))
    assert await keeping.tenants() == ()
    assert await keeping.drop("acme", date(2030, 1, 1)) == 0
    assert await keeping.forget(["jo"]) == 0
    assert len(inside(tmp_path)) == 3


async def test_nobody_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = ParquetSink(place(str(tmp_path)))
    await sink.ship([record("a")])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(UpstreamUnavailable, match="No space left"):
            await sink.ship([record("a"), record("b")])
    assert read(tmp_path, "id") == [("a",)]
    assert not inside(tmp_path, "*unfinished*")
    await sink.ship([record("a"), record("b")])
    assert sorted(read(tmp_path, "id")) == [("a",), ("b",)]


async def test_a_record_that_fits_no_column_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    sink = ParquetSink(place(str(tmp_path)))
    bad = replace(record("b"), sampling=Sampling(seed=2**63))
    with pytest.raises(DocumentRejected):
        await sink.ship([record("a", tenant="globex"), bad])
    assert inside(tmp_path) == []


async def test_a_write_that_came_too_late_writes_over_nothing(tmp_path: Path) -> None:
    sink = ParquetSink(place(str(tmp_path)))
    held = threading.Lock()
    held.acquire()
    sink._turn = held
    late = asyncio.create_task(sink.ship([record("a")]))
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    held.release()
    await sink.ship([record("a"), record("b")])
    assert sorted(read(tmp_path, "id")) == [("a",), ("b",)]


def test_a_scheme_that_nothing_knows() -> None:
    with pytest.raises(ConfigurationError, match="gopher"):
        place("gopher://hole")
    assert place("file:///srv/records") == Folder(Path("/srv/records"))


async def test_a_bucket_that_is_not_there_is_for_later(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws_variables(store).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UpstreamUnavailable, match="nowhere"):
        await ParquetSink(place("s3://nowhere/records")).ship([record()])
