"""INSERT … ON CONFLICT, which both databases have, each in a dialect of its own."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite


def insert_of(connection: Connection) -> Callable[..., Any]:
    """The connection's `insert(table)`."""
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
