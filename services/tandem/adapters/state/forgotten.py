"""Notes of who was forgotten, in a table."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from tandem.adapters.state.database import Database
from tandem.adapters.state.plain import plain
from tandem.adapters.state.tables import FORGOTTEN
from tandem.adapters.state.upserts import insert_of
from tandem.ports.forgotten import Forgetting

_COLUMNS = FORGOTTEN.c


class StoredForgotten:
    """`ports/forgotten.py` over SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, forgetting: Forgetting) -> None:
        """In one transaction."""
        rows = [
            {"tenant": plain(forgetting.tenant), "asked_for": plain(user), "forgotten_at": forgetting.at}
            for user in forgetting.users
        ]
        if rows:
            await self._database.write(lambda connection: _put(connection, rows))

    async def all(self) -> Sequence[Forgetting]:
        """They are few: one a user who asked for it."""
        rows = await self._database.read(lambda connection: connection.execute(select(FORGOTTEN)).all())
        return [Forgetting(row.tenant, (row.asked_for,), row.forgotten_at) for row in rows]

    async def drop(self, before: float) -> int:
        """By time."""
        statement = delete(FORGOTTEN).where(_COLUMNS.forgotten_at < before)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)


def _put(connection: Connection, rows: list[dict[str, Any]]) -> None:
    put = insert_of(connection)(FORGOTTEN).values(rows)
    newer = put.excluded.forgotten_at
    connection.execute(
        put.on_conflict_do_update(
            index_elements=["tenant", "asked_for"],
            set_={"forgotten_at": newer},
            where=_COLUMNS.forgotten_at < newer,
        )
    )
