"""Which version of the schema a store has, and the way to another one. Alembic is loaded only where there is a way to go."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from tandem.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0008"
# Any number will do, as long as everybody who migrates takes the same.
_LOCK = 7_227_140_301


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`current` is None for a store that holds nothing yet; `pending` are the versions to come, first to last."""

    current: str | None
    head: str
    pending: tuple[str, ...]


def version_of(connection: Connection) -> str | None:
    """The schema's version, None when there is none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def check(connection: Connection) -> None:
    """Raises `ConfigurationError` unless the schema is this Tandem's."""
    current = version_of(connection)
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise _newer(current)
    raise ConfigurationError(
        f"The state store's schema is {current or 'not there yet'}, this Tandem needs {HEAD}.",
        hint="Run `tandem db upgrade` with the same configuration.",
    )


def status(connection: Connection) -> SchemaStatus:
    """What is there, and what is to come. Raises `ConfigurationError` when a newer Tandem made it."""
    current = version_of(connection)
    known = _versions()
    if current is not None and current not in known:
        raise _newer(current)
    done = 0 if current is None else known.index(current) + 1
    return SchemaStatus(current, HEAD, tuple(known[done:]))


def lock(connection: Connection) -> None:
    """Until the transaction ends; others that change the schema wait."""
    # SQLite's transaction for writing is a lock already.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def upgrade(connection: Connection) -> SchemaStatus:
    """To this Tandem's, within the connection's transaction; a second process that does the same waits for the first."""
    lock(connection)
    before = status(connection)
    if before.pending:
        from alembic import command

        command.upgrade(_config(connection), "head")
    return before


def knows(version: str) -> bool:
    """False for one that a newer Tandem's schema has."""
    return version in _versions()


def move(connection: Connection, to: str) -> None:
    """To a version that is known, up or down."""
    lock(connection)
    current = status(connection).current
    if current is None or to > current:
        from alembic import command

        command.upgrade(_config(connection), to)
    else:
        downgrade(connection, to)


def downgrade(connection: Connection, to: str) -> SchemaStatus:
    """Back to a version, `base` for an empty store: what came in since is lost. Raises `ConfigurationError`."""
    lock(connection)
    before = status(connection)
    known = _versions()
    target = 0 if to == "base" else known.index(to) + 1 if to in known else None
    here = 0 if before.current is None else known.index(before.current) + 1
    if target is None or target > here:
        raise ConfigurationError(
            f"There is no way back to {to!r} from {before.current or 'base'}.",
            hint=f"Versions: base, {', '.join(known[:here]) or 'none yet'}.",
        )
    if target < here:
        from alembic import command

        command.downgrade(_config(connection), to)
    return before


def _versions() -> list[str]:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(_folder()))
    return [each.revision for each in reversed(list(script.walk_revisions()))]


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _folder() -> Path:
    return Path(__file__).parent / "migrations"


def _newer(current: str) -> ConfigurationError:
    return ConfigurationError(
        f"The state store's schema {current} is not known here: a newer Tandem made it.",
        hint=f"Use that Tandem, or go back with its `tandem db downgrade {HEAD}`.",
    )
