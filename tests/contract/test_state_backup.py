"""Backups of a state store, put back into SQLite and PostgreSQL from either."""

import asyncio
import gzip
import io
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from errno import ENOSPC
from functools import partial
from itertools import product
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, inspect, text

from fakes.jobs import job
from fakes.records import answer_record
from fakes.state_rows import Contents, contents, fill
from tandem.adapters.backup.file import disk_faults, whole_file
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.state import schema
from tandem.adapters.state.backup import back_up
from tandem.adapters.state.backup_format import BackupReader, BackupWriter, Header, Table
from tandem.adapters.state.database import Database
from tandem.adapters.state.deliveries import StoredDeliveries
from tandem.adapters.state.jobs import StoredJobs
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.receipts import StoredReceipts
from tandem.adapters.state.restore import read_through, restore
from tandem.adapters.state.sqlite import sqlite_database
from tandem.adapters.state.tables import KEPT
from tandem.domain.errors import ConfigurationError, InvalidRequest, StoreFull
from tandem.domain.job import JobEvent, Outcome, webhook_id
from tandem.ports.jobs import JobFilter

Opener = Callable[[], AbstractAsyncContextManager[Database]]
KINDS = ("sqlite", "postgres")
NOW = 1_700_000_000.0


def opener(kind: str, request: pytest.FixtureRequest, folder: Path) -> Opener:
    """Opens the same store every time, empty at first."""
    if kind == "sqlite":
        folder.mkdir()
        return lambda: sqlite_database(folder / "state.db", migrate=False)
    url = request.getfixturevalue("fresh_databases")()
    return lambda: postgres_database(url, migrates=True)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return opener(request.param, request, tmp_path / "store")


@pytest.fixture(params=list(product(KINDS, KINDS)), ids="-to-".join)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Opener, Opener]:
    first, second = request.param
    return opener(first, request, tmp_path / "from"), opener(second, request, tmp_path / "to")


def untold(_table: str, _done: int, _total: int) -> None:
    """Nobody watches."""


async def backed_up(database: Database, tell: Callable[[str, int, int], None] = untold) -> bytes:
    into = io.BytesIO()
    await database.read(lambda connection: back_up(connection, into, tandem="1.2.3", now=NOW, tell=tell))
    return into.getvalue()


async def restored(database: Database, data: bytes, *, over: bool = False) -> None:
    found = BackupReader.opened(io.BytesIO(data))
    await database.write(lambda connection: restore(connection, found, replace=over, tell=untold))


async def made(opened: Opener, count: int = 3) -> tuple[bytes, Contents]:
    """A backup of a store with rows in every table, and what they are."""
    async with opened() as database:
        await database.write(schema.upgrade)
        await database.write(partial(fill, count=count))
        return await backed_up(database), await database.read(contents)


async def test_every_table_comes_back_as_it_was_from_either_store_in_either(two: tuple[Opener, Opener]) -> None:
    data, before = await made(two[0], count=200)
    assert set(before) == {table.name for table in KEPT} and all(len(rows) == 200 for rows in before.values())
    async with two[1]() as database:
        await restored(database, data)
        assert await database.read(contents) == before
        assert (await database.read(schema.status)).current == schema.HEAD
        # The same store makes the same backup, but for the order of rows.
        assert len(gzip.decompress(await backed_up(database))) == len(gzip.decompress(data))


def test_no_key_is_made_by_the_database() -> None:
    """A sequence would have to be set behind what was restored."""
    assert [table.name for table in KEPT if table.autoincrement_column is not None] == []


async def test_it_says_what_it_is_and_what_is_in_it(store: Opener) -> None:
    data, before = await made(store)
    header = BackupReader.opened(io.BytesIO(data)).header
    assert (header.schema, header.tandem, header.made_at) == (schema.HEAD, "1.2.3", NOW)
    assert header.rows == {name: len(rows) for name, rows in before.items()}
    first, *_, last = map(orjson.loads, gzip.decompress(data).splitlines())
    assert first["format"] == "tandem-state" and last["end"]["rows"] == sum(header.rows.values())
    read_through(BackupReader.opened(io.BytesIO(data)), untold)


async def test_it_is_of_one_instant_while_others_write(two: tuple[Opener, Opener]) -> None:
    clock = ScriptedClock()
    loop = asyncio.get_running_loop()
    async with two[0]() as database, two[0]() as writing:
        await database.write(schema.upgrade)
        jobs = StoredJobs(writing, clock)
        await jobs.submit(
            [replace(job(n, at=clock.epoch_s()), callback_url="https://example.org/hook") for n in range(150)]
        )

        async def end(most: int) -> None:
            leases = await jobs.claim("w-1", most, 30)
            for lease in leases:
                await jobs.append(lease, [JobEvent("token", b'"half"')])
                assert await jobs.finish(lease, Outcome("succeeded", b"{}"))
            await jobs.submit([job(1_000 + len(leases) + clock.epoch_s(), at=clock.epoch_s())])  # type: ignore[arg-type]

        await end(20)
        before = await database.read(contents)
        writes = 0

        def meanwhile(_table: str, _done: int, _total: int) -> None:
            nonlocal writes
            writes += 1
            clock.advance(1)
            asyncio.run_coroutine_threadsafe(end(10), loop).result(30)

        data = await backed_up(database, meanwhile)
        assert writes > 3 and await database.read(contents) != before
    async with two[1]() as database:
        await restored(database, data)
        assert await database.read(contents) == before
        found = StoredJobs(database, clock)
        ended = (await found.page("acme", JobFilter(status="succeeded"), limit=200)).jobs
        assert len(ended) == 20
        for each in ended:
            assert [event.kind for event in await found.events("acme", each.id)][-1] == "done"


async def test_running_jobs_run_again_and_their_messages_keep_their_ids(two: tuple[Opener, Opener]) -> None:
    clock = ScriptedClock()
    hook = "https://example.org/hook"
    async with two[0]() as database:
        await database.write(schema.upgrade)
        jobs, deliveries = StoredJobs(database, clock), StoredDeliveries(database, clock)
        await jobs.submit(
            [replace(job(n, at=clock.epoch_s()), callback_url=hook, idempotency_key=f"k-{n}") for n in range(3)]
        )
        ended, running = await jobs.claim("w-1", 2, 30)
        assert await jobs.finish(ended, Outcome("succeeded", b"{}"))
        (sent,) = await deliveries.claim(9, 30)
        data = await backed_up(database)
    async with two[1]() as database:
        await restored(database, data)
        jobs, deliveries = StoredJobs(database, clock), StoredDeliveries(database, clock)
        # The worker that had it may still be at it until its lease has lapsed.
        assert [lease.job.id for lease in await jobs.claim("w-2", 9, 30)] == [job(2, at=clock.epoch_s()).id]
        clock.advance(31)
        again = {lease.job.id: lease for lease in await jobs.claim("w-3", 9, 30)}
        assert again[running.job.id].job.attempts == 2
        assert await jobs.finish(again[running.job.id], Outcome("succeeded", b"{}"))
        assert not await jobs.finish(running, Outcome("failed"))
        messages = await deliveries.claim(9, 30)
        assert sorted(webhook_id(each.job.id) for each in messages) == sorted(
            webhook_id(each) for each in (sent.job.id, running.job.id)
        )
        # Under its key, a job that was submitted before is found.
        same = replace(job(2, at=clock.epoch_s()), id="job-another", callback_url=hook, idempotency_key="k-2")
        assert (await jobs.submit([same]))[0].id == job(2, at=clock.epoch_s()).id


async def test_an_older_one_is_brought_up_to_this_schema(store: Opener, tmp_path: Path) -> None:
    """Of every version that there was."""
    async with sqlite_database(tmp_path / "versions.db", migrate=False) as database:
        versions = (await database.read(schema.status)).pending
    for version in versions[:-1]:
        async with sqlite_database(tmp_path / f"{version}.db", migrate=False) as database:
            await database.write(partial(schema.move, to=version))
            await database.write(fill)
            before = await database.read(contents)
            columns = await database.read(_columns)
        into = io.BytesIO()
        order = [table.name for table in KEPT if table.name in before]
        tables = tuple(Table(name, columns[name], len(before[name])) for name in order)
        writer = BackupWriter(into, Header(version, "0.0.9", NOW, tables))
        for name in order:
            writer.write(before[name])
        writer.close()
        async with store() as database:
            await restored(database, into.getvalue(), over=True)
            after = await database.read(contents)
            assert {name: rows for name, rows in after.items() if rows} == before
            await database.read(schema.check)


def _columns(connection: Connection) -> dict[str, tuple[str, ...]]:
    seen = inspect(connection)
    return {name: tuple(one["name"] for one in seen.get_columns(name)) for name in seen.get_table_names()}


async def test_a_store_that_holds_something_is_left_alone_unless_it_is_to_be_replaced(
    two: tuple[Opener, Opener],
) -> None:
    data, before = await made(two[0])
    async with two[1]() as database:
        await database.write(schema.upgrade)
        await StoredReceipts(database).keep([answer_record("rcpt-mine")])
        with pytest.raises(InvalidRequest, match="1 in receipts") as refused:
            await restored(database, data)
        assert "--replace" in (refused.value.hint or "")
        assert await StoredReceipts(database).receipt("acme", "rcpt-mine") is not None
        await restored(database, data, over=True)
        assert await database.read(contents) == before


def again(header: bytes, lines: list[bytes]) -> bytes:
    return gzip.compress(b"\n".join([header, *lines]) + b"\n")


async def test_what_is_damaged_restores_nothing(store: Opener, tmp_path: Path) -> None:
    async with sqlite_database(tmp_path / "from.db") as database:
        await database.write(partial(fill, count=40))
        data = await backed_up(database)
    header, *lines = gzip.decompress(data).splitlines()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0x10
    broken = {
        "cut": [data[: len(data) * part // 9] for part in range(1, 9)] + [data[:-1], data[:-9]],
        "flipped": [bytes(flipped)],
        "another word": [again(header, [lines[0].replace(b"tenant 0", b"tenant 9"), *lines[1:]])],
        "a row less": [again(header, lines[1:])],
        "a row twice": [again(header, [lines[0], *lines])],
        "no end": [again(header, lines[:-1])],
        "more behind": [data + b"more", data + data, again(header, [*lines, lines[0]])],
        "no row": [again(header, [each, *lines[1:]]) for each in (b"{", b"[]", b"7", b'[{"text":7}]')],
        "no table": [again(header.replace(b'"receipts"', b'"alembic_version"'), lines)],
    }
    async with store() as database:
        await database.write(schema.upgrade)
        await StoredReceipts(database).keep([answer_record("rcpt-mine")])
        before = await database.read(contents)
        for name, kinds in broken.items():
            for each in kinds:
                with pytest.raises(InvalidRequest, match=r"damaged|no backup") as refused:
                    await restored(database, each, over=True)
                assert refused.value.message, name
                assert await database.read(contents) == before, name


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\x1f\x8b", gzip.compress(b""), gzip.compress(b"[1]\n"), os.urandom(999)]
)
def test_what_is_no_backup_is_told(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="no backup") as refused:
        BackupReader.opened(io.BytesIO(data))
    assert refused.value.hint


async def test_one_of_a_newer_tandem_is_refused_with_the_way_out(store: Opener, tmp_path: Path) -> None:
    async with sqlite_database(tmp_path / "from.db") as database:
        data = gzip.decompress(await backed_up(database))
    schema_field, version = f'"schema":"{schema.HEAD}"'.encode(), b'"version":1'
    assert schema_field in data and version in data
    async with store() as database:
        for newer in (data.replace(schema_field, b'"schema":"9999"'), data.replace(version, b'"version":2')):
            with pytest.raises(ConfigurationError, match=r"Tandem 1\.2\.3 made it") as refused:
                await restored(database, gzip.compress(newer))
            assert refused.value.hint
        assert (await database.read(schema.status)).current is None


async def test_stores_of_other_versions_are_refused(store: Opener, tmp_path: Path) -> None:
    async with sqlite_database(tmp_path / "from.db") as database:
        data = await backed_up(database)
    async with store() as database:
        with pytest.raises(ConfigurationError, match="not there yet"):
            await backed_up(database)
        await database.write(schema.upgrade)
        await database.write(lambda one: one.execute(text("UPDATE alembic_version SET version_num = '9999'")))
        for work in (backed_up(database), restored(database, data, over=True)):
            with pytest.raises(ConfigurationError, match="newer Tandem"):
                await work


def test_a_file_is_there_whole_or_not_at_all_and_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "state.backup"
    with whole_file(file) as into:
        into.write(b"first")
        assert not file.exists()
    assert file.read_bytes() == b"first" and file.stat().st_mode & 0o077 == 0
    with pytest.raises(StoreFull):
        _fill_the_disk(file)
    assert file.read_bytes() == b"first" and list(tmp_path.iterdir()) == [file]


def _fill_the_disk(file: Path) -> None:
    with disk_faults("it"), whole_file(file) as into:
        into.write(b"second")
        raise OSError(ENOSPC, "No space left on device")


@pytest.mark.parametrize("place", ["", "none/state.backup", "file/state.backup", "/dev/null"])
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as refused, disk_faults(place), whole_file(tmp_path / place):
        pass
    assert refused.value.hint
    assert not Path("/dev/null").is_file()
