"""What processes want of the pools, a row for each."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, delete, select

from tandem.adapters.state.database import Database
from tandem.adapters.state.plain import plain
from tandem.adapters.state.tables import DEMAND
from tandem.adapters.state.upserts import insert_of
from tandem.ports.demand import Told


class StoredDemand:
    """`ports/demand.py` over SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, process: str, told: Told) -> None:
        """One statement."""
        row = {"process": plain(process), "turn": told.turn, "wanted": orjson.dumps(told.wanted)}
        await self._database.write(lambda connection: _put(connection, row))

    async def all(self) -> Mapping[str, Told]:
        """They are few: one a process that answers people, or did a minute ago."""
        rows = await self._database.read(lambda connection: connection.execute(select(DEMAND)).all())
        return {row.process: Told(row.turn, orjson.loads(row.wanted)) for row in rows}

    async def drop(self, process: str) -> None:
        """By its name."""
        statement = delete(DEMAND).where(DEMAND.c.process == plain(process))
        await self._database.write(lambda connection: connection.execute(statement))


def _put(connection: Connection, row: dict[str, Any]) -> None:
    put = insert_of(connection)(DEMAND).values(row)
    newer = {"turn": put.excluded.turn, "wanted": put.excluded.wanted}
    connection.execute(put.on_conflict_do_update(index_elements=["process"], set_=newer))
