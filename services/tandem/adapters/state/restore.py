"""A backup put into a store, whole or not at all."""

from sqlalchemy import Connection, Inspector, column, delete, func, insert, inspect, select, table, text
from sqlalchemy.exc import DataError, IntegrityError

from tandem.adapters.state import schema
from tandem.adapters.state.backup import Tell
from tandem.adapters.state.backup_format import BackupReader, damaged
from tandem.adapters.state.tables import KEPT, METADATA
from tandem.domain.errors import ConfigurationError, InvalidRequest

_AT_ONCE = 500
_AT_ONCE_BYTES = 4_000_000


def restore(connection: Connection, backup: BackupReader, *, replace: bool, tell: Tell) -> None:
    """Within a transaction: rows are put in at the backup's schema, and brought up to this Tandem's with it.

    Raises `ConfigurationError` for what a newer Tandem made, `InvalidRequest` for what is damaged and for a store that
    holds something, unless it is to be replaced.
    """
    header = backup.header
    if not schema.knows(header.schema):
        raise ConfigurationError(
            f"The backup's schema {header.schema} is not known here: Tandem {header.tandem} made it.",
            hint="Restore it with that Tandem, or a later one.",
        )
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    schema.lock(connection)
    # A newer Tandem's store is not touched.
    schema.status(connection)
    _clear(connection, replace=replace)
    schema.move(connection, header.schema)
    _check(inspect(connection), backup)
    done, total = 0, sum(header.rows.values())
    for into, rows in backup.rows(_AT_ONCE, _AT_ONCE_BYTES):
        try:
            connection.execute(insert(table(into.name, *map(column, into.columns))), rows)
        except (DataError, IntegrityError) as error:
            raise damaged(f"{into.name} cannot hold a row of it") from error
        done += len(rows)
        tell(into.name, done, total)
    schema.upgrade(connection)


def _clear(connection: Connection, *, replace: bool) -> None:
    there = [each for each in KEPT if inspect(connection).has_table(each.name)]
    counts = {each.name: connection.execute(select(func.count()).select_from(each)).scalar_one() for each in there}
    held = {name: count for name, count in counts.items() if count}
    if held and not replace:
        told = ", ".join(f"{count} in {name}" for name, count in held.items())
        raise InvalidRequest(
            f"The state store is not empty: it has rows ({told}).",
            hint="Restore into an empty one, or `--replace` what is there.",
        )
    for each in reversed(there):
        connection.execute(delete(each))


def _check(there: Inspector, backup: BackupReader) -> None:
    """A file that was made by hand must not reach into tables of others."""
    for each in backup.header.tables:
        known = {found["name"] for found in there.get_columns(each.name)} if each.name in METADATA.tables else set()
        if set(each.columns) != known:
            raise damaged(f"schema {backup.header.schema} has no such {each.name}")


def read_through(backup: BackupReader, tell: Tell) -> None:
    """Raises `InvalidRequest` when it is damaged."""
    done, total = 0, sum(backup.header.rows.values())
    for of, rows in backup.rows(_AT_ONCE, _AT_ONCE_BYTES):
        done += len(rows)
        tell(of.name, done, total)
