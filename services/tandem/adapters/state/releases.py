"""Releases in a row of their own, what was measured of them in one for each measure."""

from dataclasses import asdict
from typing import Any, cast

import orjson
from sqlalchemy import Connection, delete, select, update

from tandem.adapters.state.database import Database
from tandem.adapters.state.plain import plain
from tandem.adapters.state.tables import RELEASE_BOOK, RELEASE_TALLIES
from tandem.adapters.state.upserts import insert_of
from tandem.domain.release import Arm, Book, GoldenResult, Measure, Release, ReleasePolicy, Tallies, Tally

_BOOK = "releases"
_COLUMNS = RELEASE_TALLIES.c
_KEY = ("release", "arm", "measure")
_SUMS = ("conversations", "total", "squares")


class StoredReleases:
    """`ports/releases.py` over SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest = Book()

    async def book(self) -> Book:
        """The row is read whole only when its revision is another one."""
        known = self._latest

        def read(connection: Connection) -> Book:
            mine = RELEASE_BOOK.c.id == _BOOK
            revision = connection.execute(select(RELEASE_BOOK.c.revision).where(mine)).scalar()
            if revision in (None, known.revision):
                return known if revision is not None else Book()
            row = connection.execute(select(RELEASE_BOOK).where(mine)).one()
            return Book(row.revision, tuple(map(_release, orjson.loads(row.body))))

        self._latest = await self._database.read(read)
        return self._latest

    async def write(self, book: Book) -> bool:
        """By the revision that is to be replaced; the first one by the primary key."""
        values = {"revision": book.revision, "body": orjson.dumps([asdict(each) for each in book.releases])}

        names = [plain(each.name) for each in book.releases]

        def put(connection: Connection) -> bool:
            if book.revision > 1:
                before = RELEASE_BOOK.c.id == _BOOK, RELEASE_BOOK.c.revision == book.revision - 1
                if connection.execute(update(RELEASE_BOOK).where(*before).values(values)).rowcount != 1:
                    return False
                connection.execute(delete(RELEASE_TALLIES).where(_COLUMNS.release.not_in(names)))
                return True
            first = insert_of(connection)(RELEASE_BOOK).values(id=_BOOK, **values).on_conflict_do_nothing()
            # How many rows that put in not every driver tells.
            return connection.execute(first.returning(RELEASE_BOOK.c.id)).scalar() is not None

        return await self._database.write(put)

    async def add(self, release: str, tallies: Tallies) -> None:
        """One statement; rows in one order, so that no two processes wait for each other."""
        rows = [
            {
                "release": plain(release),
                "arm": arm,
                "measure": measure,
                "conversations": tally.count,
                "total": tally.total,
                "squares": tally.squares,
            }
            for (arm, measure), tally in sorted(tallies.items())
        ]
        if rows:
            await self._database.write(lambda connection: _add(connection, rows))

    async def tallies(self, release: str) -> Tallies:
        """By the first column of the primary key."""
        query = select(RELEASE_TALLIES).where(_COLUMNS.release == plain(release))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {
            (cast("Arm", row.arm), cast("Measure", row.measure)): Tally(row.conversations, row.total, row.squares)
            for row in rows
        }


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    put = insert_of(connection)(RELEASE_TALLIES).values(rows)
    connection.execute(
        put.on_conflict_do_update(
            index_elements=_KEY, set_={name: _COLUMNS[name] + put.excluded[name] for name in _SUMS}
        )
    )


def _release(told: dict[str, Any]) -> Release:
    golden = told["golden"] and GoldenResult(**{**told["golden"], "lost": tuple(told["golden"]["lost"])})
    policy = ReleasePolicy(**told["policy"])
    return Release(**{**told, "pools": tuple(told["pools"]), "policy": policy, "golden": golden})
