"""A PostgreSQL for all suites that hold a state store to its port."""

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

from fakes.batches import BatchStores
from fakes.job_queue import Queue
from fakes.postgres_server import postgres_server
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.deliveries import ScriptedDeliveries
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.adapters.state import schema
from tandem.adapters.state.batches import StoredBatches
from tandem.adapters.state.database import Database
from tandem.adapters.state.deliveries import StoredDeliveries
from tandem.adapters.state.files import StoredFiles
from tandem.adapters.state.jobs import StoredJobs
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.sqlite import sqlite_database
from tandem.adapters.state.tables import METADATA


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The one that the environment names, else one of our own; without either, tests skip."""
    if url := os.environ.get("POSTGRES_URL"):
        yield url
        return
    with postgres_server() as server:
        yield server.url


@pytest.fixture
def fresh_databases(postgres_url: str) -> Iterator[Callable[[], str]]:
    """Makes databases with nothing in them, which go with the test, and tells their URLs."""
    with ExitStack() as made:
        yield lambda: made.enter_context(_database(postgres_url))


@pytest.fixture
def fresh_database(postgres_url: str) -> Iterator[str]:
    """URL of one."""
    with _database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[str]:
    """The same for a whole module."""
    with _database(postgres_url) as url:
        yield url


@contextmanager
def _database(postgres_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield postgres_url.rpartition("/")[0] + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def _emptied(url: str) -> AsyncIterator[Database]:
    """With this Tandem's schema, and no rows."""
    async with postgres_database(url, migrates=True) as database:
        await database.write(schema.upgrade)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE " + ", ".join(f'"{table.name}"' for table in METADATA.sorted_tables))
    async with postgres_database(url) as database:
        yield database


@pytest.fixture(params=["scripted", "sqlite", "postgres"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BatchStores]:
    """Files, batches and their lines: the doubles, and both databases."""
    made = BatchStores()
    if request.param == "scripted":
        yield made
        return
    if request.param == "sqlite":
        async with sqlite_database(tmp_path / "state.db") as database:
            yield _stored(made, database)
        return
    async with _emptied(request.getfixturevalue("own_database")) as database:
        yield _stored(made, database)


def _stored(made: BatchStores, database: Database) -> BatchStores:
    made.jobs, made.files = StoredJobs(database, made.clock), StoredFiles(database)
    made.batches = StoredBatches(database, made.clock)
    return made


@pytest.fixture(params=["scripted", "sqlite", "postgres"])
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Queue]:
    """Jobs and the messages about them: the double, and both databases."""
    clock = ScriptedClock()
    if request.param == "scripted":
        scripted = ScriptedJobs(clock)
        yield Queue(scripted, ScriptedDeliveries(scripted, clock), clock)
        return
    if request.param == "sqlite":
        async with sqlite_database(tmp_path / "state.db") as database:
            yield Queue(StoredJobs(database, clock), StoredDeliveries(database, clock), clock)
        return
    async with _emptied(request.getfixturevalue("own_database")) as database:
        yield Queue(StoredJobs(database, clock), StoredDeliveries(database, clock), clock)
