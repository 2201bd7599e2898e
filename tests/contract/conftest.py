"""A PostgreSQL for all suites that hold a state store to its port."""

import os
import uuid
from collections.abc import Iterator

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
def fresh_database(postgres_url: str) -> Iterator[str]:
    """URL of a database with nothing in it, which goes with the test."""
    yield from _database(postgres_url)


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[str]:
    """The same for a whole module."""
    yield from _database(postgres_url)


def _database(postgres_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield postgres_url.rpartition("/")[0] + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
