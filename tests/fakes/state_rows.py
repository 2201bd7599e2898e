"""Rows for every table of a state store, and what a store holds, whatever its tables are."""

from typing import Any

from sqlalchemy import Column, Connection, MetaData, inspect, select

from tandem.adapters.state.tables import DEMAND, KEPT

Contents = dict[str, list[tuple[Any, ...]]]


def fill(connection: Connection, count: int = 3) -> None:
    """Each table that is there gets so many rows; the first has all of its columns, later ones only what must be."""
    seen = inspect(connection)
    for table in KEPT:
        if seen.has_table(table.name):
            there = {column["name"] for column in seen.get_columns(table.name)}
            columns = [column for column in table.columns if column.name in there]
            rows = [{column.name: _value(column, number) for column in columns} for number in range(count)]
            connection.execute(table.insert(), rows)


def _value(column: Column[Any], number: int) -> Any:
    for foreign in column.foreign_keys:
        return _value(foreign.column, number)
    if column.nullable and number:
        return None
    kind = column.type.python_type
    if kind is str:
        return f"{column.name} {number} \u00e9\u65e5\U0001f433 \"'\\\n"
    if kind is bytes:
        return [b'{"text":"\\u0000"}', b"\0\xff\xfe" * 9, b""][number % 3]
    if kind is bool:
        return number % 2 == 0
    return [float("inf"), 1_700_000_000.1234567, 1e-300][number % 3] if kind is float else number


def contents(connection: Connection) -> Contents:
    """Of all tables that a backup has, by what the database says that there are."""
    seen = MetaData()
    seen.reflect(connection)
    return {
        name: sorted((tuple(map(_plain, row)) for row in connection.execute(select(table))), key=repr)
        for name, table in seen.tables.items()
        if name not in ("alembic_version", DEMAND.name)
    }


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
