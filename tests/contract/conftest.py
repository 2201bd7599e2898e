"""A PostgreSQL for all suites that hold a state store to its port."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from fakes.postgres_server import postgres_server


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
