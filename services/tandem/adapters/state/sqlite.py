"""The state store in a file: one writer in this process, readers beside it, other processes wait their turn."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from sqlite3 import Connection as Driver
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from tandem.adapters.state import schema
from tandem.adapters.state.database import Database
from tandem.domain.errors import UpstreamUnavailable

_READERS = 4
_BUSY_S = 5.0


@asynccontextmanager
async def sqlite_database(file: Path, *, migrate: bool = True) -> AsyncIterator[Database]:
    """`file` is made when it is not there, and brought up to this Tandem's schema; without `migrate` it is left as it is.

    Raises `ConfigurationError` for a file that a newer Tandem wrote, `UpstreamUnavailable` where it may not be written,
    `StoreBusy` while another process migrates it, `UpstreamFailed` for what is no such file.
    """
    try:
        await asyncio.to_thread(_make, file)
    except OSError as error:
        raise UpstreamUnavailable(
            f"The state store at {file} cannot be opened: {error.strerror}.", hint="May we write there?", stage="state"
        ) from error
    engine = _engine(file)
    with ThreadPoolExecutor(_READERS, "state-read") as readers, ThreadPoolExecutor(1, "state-write") as writers:
        try:
            opening = Database(engine, str(file), readers, writers, check=lambda _: None)
            if migrate:
                await opening.write(schema.upgrade)
                yield Database(engine, str(file), readers, writers)
            else:
                yield opening
        finally:
            # Behind what is still being written.
            await asyncio.get_running_loop().run_in_executor(writers, engine.dispose)


def _make(file: Path) -> None:
    """For its owner alone: there are texts in it. SQLite gives its log beside it the same rights."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _engine(file: Path) -> Engine:
    url = URL.create("sqlite", database=str(file))
    engine = create_engine(
        url,
        connect_args={"timeout": _BUSY_S},
        pool_size=_READERS + 1,
        max_overflow=0,
        # A message must not quote what was asked.
        hide_parameters=True,
    )
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    return engine


def _connected(driver: Driver, _: Any) -> None:
    # Transactions are begun below: the driver's own way begins none before what only reads.
    driver.isolation_level = None
    # What is deleted is overwritten: a user's words do not stay in free pages.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        driver.execute(f"PRAGMA {pragma}").close()


def _begun(connection: Connection) -> None:
    # One that reads first and writes later cannot wait for another writer, and fails instead.
    writes = connection.get_execution_options().get("tandem_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
