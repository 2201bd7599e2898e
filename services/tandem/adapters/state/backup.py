"""Everything that a store holds, as it was at one instant, while others go on writing."""

from collections.abc import Callable
from typing import BinaryIO

from sqlalchemy import Connection, func, select, text

from tandem.adapters.state import schema
from tandem.adapters.state.backup_format import BackupWriter, Header, Table
from tandem.adapters.state.tables import KEPT

# A row may be as long as a request.
_AT_ONCE = 64
Tell = Callable[[str, int, int], None]


def back_up(connection: Connection, into: BinaryIO, *, tandem: str, now: float, tell: Tell) -> Header:
    """Within a transaction that has read nothing yet. `tell` hears which table, rows done, of how many; it may raise."""
    if connection.dialect.name == "postgresql":
        # SQLite's are like that.
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    schema.check(connection)
    tables = [
        Table(
            table.name,
            tuple(table.columns.keys()),
            connection.execute(select(func.count()).select_from(table)).scalar_one(),
        )
        for table in KEPT
    ]
    header = Header(schema.HEAD, tandem, now, tuple(tables))
    writer = BackupWriter(into, header)
    total, done = sum(header.rows.values()), 0
    for table in KEPT:
        rows = connection.execute(select(table), execution_options={"yield_per": _AT_ONCE})
        for some in rows.partitions():
            writer.write(some)
            done += len(some)
            tell(table.name, done, total)
    writer.close()
    return header
