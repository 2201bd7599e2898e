"""Rows as Parquet and back, by DuckDB, which works outside Python's lock."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import orjson

from tandem.adapters.parquet.schema import COLUMNS, row
from tandem.domain.record import AnswerRecord
from tandem.domain.sayable import sayable

# Nothing is fetched or loaded from elsewhere, and one thread is enough for what nobody waits for.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    "temp_directory": "",
    "memory_limit": "512MB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
# The spool holds no longer records.
_LONGEST = "maximum_object_size=134217728"
_TIMES = frozenset(column.name for column in COLUMNS if column.type == "TIMESTAMPTZ")


def parquet(records: Sequence[AnswerRecord]) -> bytes:
    """A Parquet file with a row for each, compressed with zstd."""
    columns = ", ".join(
        f"'{column.name}': '{'BIGINT' if column.name in _TIMES else column.type}'" for column in COLUMNS
    )
    chosen = ", ".join(
        f'make_timestamptz("{column.name}") AS "{column.name}"' if column.name in _TIMES else f'"{column.name}"'
        for column in COLUMNS
    )
    with _workshop() as (database, folder):
        lines = folder / "rows"
        with lines.open("wb") as file:
            for record in records:
                file.write(_line(record))
                # Python's lock is let go: without, whoever streams tokens meanwhile gets it every 5 ms only.
                time.sleep(0)  # noqa: TID251 - in a thread, for no time
        read = f"read_json({_quoted(lines)}, format='newline_delimited', columns={{{columns}}}, {_LONGEST})"
        return _copied(database, f"SELECT {chosen} FROM {read}", folder)  # noqa: S608 - names of our own


def without(table: bytes, users: Sequence[str]) -> tuple[bytes | None, int]:
    """The same without these users' rows (None when no others are there), and how many those were."""
    with _workshop() as (database, folder):
        source = _source(database, folder, table, users)
        counts = f"SELECT count(*) FILTER ({_THEIRS}), count(*) FROM {source}"  # noqa: S608 - names of our own
        gone, all_ = database.execute(counts).fetchall()[0]
        if gone in {0, all_}:
            return (None if gone else table), gone
        others = f"SELECT * FROM {source} WHERE NOT ({_THEIRS})"  # noqa: S608 - names of our own
        return _copied(database, others, folder), gone


def rows_of(table: bytes, users: Sequence[str]) -> list[dict[str, Any]]:
    """These users' rows, as plain values."""
    with _workshop() as (database, folder):
        source = _source(database, folder, table, users)
        written = "strftime(began_at, '%Y-%m-%dT%H:%M:%S.%fZ')"
        theirs = f"SELECT * REPLACE ({written} AS began_at) FROM {source} WHERE {_THEIRS}"  # noqa: S608 - names of our own
        found = database.execute(theirs)
        names = [described[0] for described in found.description or ()]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]


_THEIRS = "coalesce(user_id IN (SELECT name FROM named), false)"


def _source(database: duckdb.DuckDBPyConnection, folder: Path, table: bytes, users: Sequence[str]) -> str:
    file = folder / "table"
    file.write_bytes(table)
    database.execute("CREATE TABLE named (name VARCHAR)")
    if users:
        database.executemany("INSERT INTO named VALUES (?)", [[user] for user in users])
    return f"read_parquet({_quoted(file)})"


def _copied(database: duckdb.DuckDBPyConnection, query: str, folder: Path) -> bytes:
    file = folder / "copied"
    database.execute(f"COPY ({query}) TO {_quoted(file)} (FORMAT parquet, COMPRESSION zstd)")
    return file.read_bytes()


def _line(record: AnswerRecord) -> bytes:
    try:
        return orjson.dumps(row(record), option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps(sayable(row(record)), option=orjson.OPT_APPEND_NEWLINE)


def _quoted(file: Path) -> str:
    text = str(file).replace("'", "''")
    return f"'{text}'"


@contextmanager
def _workshop() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A database in memory, and a folder for the files of one task, which only this user can read."""
    with (
        tempfile.TemporaryDirectory(prefix="tandem-parquet-") as folder,
        duckdb.connect(":memory:", config=_SETTINGS) as database,
    ):
        database.execute("SET TimeZone = 'UTC'")
        yield database, Path(folder)
