"""The way of the schema forward and back, on SQLite and on PostgreSQL, and what a wrong one is told."""

import asyncio
import os
import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, inspect, text

from fakes.postgres_server import PostgresServer, postgres_server
from fakes.records import answer_record
from fakes.state_rows import Contents, contents, fill
from tandem.adapters.state import schema
from tandem.adapters.state.database import Database
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.receipts import StoredReceipts
from tandem.adapters.state.sqlite import sqlite_database
from tandem.adapters.state.tables import METADATA
from tandem.domain.errors import ConfigurationError, StoreBusy, TandemError, UpstreamUnavailable
from tandem.ports.receipts import ReceiptFilter

Opener = Callable[[], AbstractAsyncContextManager[Database]]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def fresh_database(server: PostgresServer) -> str:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.url.rpartition("/")[0] + f"/{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same store every time, whatever its schema is."""
    if request.param == "sqlite":
        return lambda: sqlite_database(tmp_path / "state.db", migrate=False)
    url = request.getfixturevalue("fresh_database")
    return lambda: postgres_database(url, migrates=True)


@pytest.fixture
async def database(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        yield opened


def shape(connection: Connection) -> dict[str, object]:
    seen = inspect(connection)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in seen.get_columns(table)],
            seen.get_pk_constraint(table)["constrained_columns"],
            sorted((index["name"], tuple(index["column_names"])) for index in seen.get_indexes(table)),
        )
        for table in sorted(seen.get_table_names())
        if table != "alembic_version"
    }


async def test_it_goes_forward_and_back_and_forward(database: Database) -> None:
    assert (await database.read(schema.status)).current is None
    before = await database.write(schema.upgrade)
    assert before.pending and before.pending[-1] == schema.HEAD
    whole = await database.read(shape)
    assert (await database.write(schema.upgrade)).pending == ()
    for version in [*reversed(before.pending[:-1]), "base"]:
        await database.write(partial(schema.downgrade, to=version))
        assert (await database.read(schema.status)).current == (None if version == "base" else version)
    assert await database.read(shape) == {}
    await database.write(schema.upgrade)
    assert await database.read(shape) == whole


def counted(held: Contents) -> dict[str, int]:
    return {name: len(rows) for name, rows in held.items()}


async def test_what_stays_keeps_its_rows_on_every_way_back_and_forward(database: Database) -> None:
    """What a version brought goes with it, and comes back empty."""
    versions = (await database.write(schema.upgrade)).pending
    for version in versions[:-1]:
        await database.write(fill)
        whole = await database.read(contents)
        await database.write(partial(schema.downgrade, to=version))
        left = await database.read(contents)
        assert left and counted(left) == {name: len(whole[name]) for name in left}
        await database.write(schema.upgrade)
        after = await database.read(contents)
        assert counted(after) == {name: len(left.get(name, ())) for name in whole}
        # Base is the one way that leaves nothing.
        await database.write(partial(schema.downgrade, to="base"))
        await database.write(schema.upgrade)


async def test_rows_of_every_version_come_up_to_this_one(database: Database) -> None:
    versions = (await database.read(schema.status)).pending
    for version in versions[:-1]:
        await database.write(partial(schema.move, to=version))
        await database.write(fill)
        before = await database.read(contents)
        await database.write(schema.upgrade)
        after = await database.read(contents)
        assert counted(before).items() <= counted(after).items()
        await database.write(partial(schema.downgrade, to="base"))


async def test_the_migrations_lead_to_the_tables_that_the_code_uses(database: Database, tmp_path: Path) -> None:
    await database.write(schema.upgrade)
    migrated = await database.read(shape)

    def anew(connection: Connection) -> None:
        for table in migrated:
            connection.execute(text(f"DROP TABLE {table}"))
        METADATA.create_all(connection)

    await database.write(anew)
    assert await database.read(shape) == migrated


async def test_two_that_upgrade_at_once_do_it_once(opener: Opener) -> None:
    async with opener() as first, opener() as second:
        seen = await asyncio.gather(first.write(schema.upgrade), second.write(schema.upgrade))
    assert sorted(bool(each.pending) for each in seen) == [False, True]


async def test_a_failed_upgrade_leaves_nothing_behind(database: Database) -> None:
    def broken(connection: Connection) -> None:
        schema.upgrade(connection)
        raise ConfigurationError("And then the power failed.")

    with pytest.raises(ConfigurationError):
        await database.write(broken)
    assert (await database.read(schema.status)).current is None
    assert await database.read(shape) == {}


async def test_a_newer_schema_is_refused_and_nothing_happens_to_it(database: Database) -> None:
    await database.write(schema.upgrade)
    await database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    for work in (schema.upgrade, schema.status, schema.check):
        with pytest.raises(ConfigurationError, match="newer Tandem") as refused:
            await database.write(work)
        assert refused.value.hint


async def test_there_is_no_way_back_to_what_never_was(database: Database) -> None:
    await database.write(schema.upgrade)
    with pytest.raises(ConfigurationError, match="no way back to '7777'"):
        await database.write(lambda connection: schema.downgrade(connection, "7777"))


async def test_a_file_is_brought_up_when_it_is_opened_by_two_at_once(tmp_path: Path) -> None:
    async def opened() -> int:
        async with sqlite_database(tmp_path / "deep" / "state.db") as database:
            await StoredReceipts(database).keep([answer_record()])
            return len((await StoredReceipts(database).page("acme", ReceiptFilter(), limit=9)).records)

    assert await asyncio.gather(*(opened() for _ in range(4))) == [1, 1, 1, 1]
    assert (tmp_path / "deep" / "state.db").stat().st_mode & 0o077 == 0


async def test_a_server_that_is_behind_is_refused_with_the_way_out(fresh_database: str) -> None:
    async with postgres_database(fresh_database) as behind:
        with pytest.raises(ConfigurationError, match="not there yet") as refused:
            await behind.refuse()
        assert "tandem db upgrade" in (refused.value.hint or "")
        # Whoever came while the server was away is told so with each use.
        with pytest.raises(UpstreamUnavailable, match="not there yet") as unusable:
            await StoredReceipts(behind).keep([answer_record()])
        assert "tandem db upgrade" in (unusable.value.hint or "")
        async with postgres_database(fresh_database, migrates=True) as job:
            await job.write(schema.upgrade)
        await StoredReceipts(behind).keep([answer_record()])
        await behind.refuse()


async def test_a_server_that_is_away_is_told_and_used_again_when_it_is_back(server: PostgresServer) -> None:
    async with postgres_database(server.url, migrates=True) as job:
        await job.write(schema.upgrade)
    async with postgres_database(server.url, connect_timeout_s=2) as database:
        store = StoredReceipts(database)
        await store.keep([answer_record()])
        server.stop()
        try:
            with pytest.raises(UpstreamUnavailable) as away:
                await store.keep([answer_record("rcpt-2")])
            assert "password" not in away.value.message and "127.0.0.1" in away.value.message
        finally:
            server.start()
        await store.keep([answer_record("rcpt-2")])
        assert await store.receipt("acme", "rcpt-1") == answer_record()


async def test_the_password_is_in_no_message() -> None:
    async with postgres_database("postgresql://tandem:s3cret-word@127.0.0.1:1/db", connect_timeout_s=1) as database:
        # It may come later: nothing is refused for that.
        await database.refuse()
        with pytest.raises(UpstreamUnavailable) as away:
            await StoredReceipts(database).tenants()
    assert "s3cret-word" not in f"{away.value.message} {away.value.hint}"


@pytest.mark.parametrize("url", ["mysql://host/db", "no url at all", "sqlite:///state.db"])
async def test_another_kind_of_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        async with postgres_database(url):
            pass
    assert refused.value.hint


async def test_a_file_that_is_no_store_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"something else entirely" * 100)
    with pytest.raises(TandemError) as refused:
        async with sqlite_database(file):
            pass
    assert str(file) in refused.value.message
    assert file.read_bytes() == b"something else entirely" * 100


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UpstreamUnavailable, match="cannot be opened"):
        async with sqlite_database(tmp_path / "file" / "state.db"):
            pass


async def test_a_writer_waits_for_another_process_and_says_so_when_that_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.adapters.state.sqlite._BUSY_S", 0.2)
    async with sqlite_database(tmp_path / "state.db") as database:
        store = StoredReceipts(database)
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusy):
                await store.keep([answer_record()])
            # Readers are not held up.
            assert await store.receipt("acme", "rcpt-1") is None
            other.execute("ROLLBACK")
        finally:
            other.close()
        await store.keep([answer_record()])


async def test_what_was_kept_survives_a_process_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from fakes.records import answer_record\n"
        "from tandem.adapters.state.receipts import StoredReceipts\n"
        "from tandem.adapters.state.sqlite import sqlite_database\n"
        "async def main():\n"
        "    async with sqlite_database(Path(sys.argv[1])) as database:\n"
        "        for number in range(50):\n"
        "            await StoredReceipts(database).keep([answer_record(f'rcpt-{number}')])\n"
        "            print(number, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path / "state.db"), env=env, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert len(told.split()) == 50
    async with sqlite_database(tmp_path / "state.db") as database:
        assert len((await StoredReceipts(database).page("acme", ReceiptFilter(), limit=200)).records) == 50
