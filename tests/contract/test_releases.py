"""One suite over every store of releases: the double, SQLite, PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.adapters.scripted.releases import ScriptedReleases
from tandem.adapters.state import schema
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.releases import StoredReleases
from tandem.adapters.state.sqlite import sqlite_database
from tandem.domain.release import Book, GoldenResult, Release, ReleasePolicy, Tally
from tandem.ports.releases import Releases

FIRST = Release(
    "first",
    prompt="answer@2",
    collection="docs@3",
    pools=("gpu", "cloud"),
    weight=0.25,
    mode="shadow",
    policy=ReleasePolicy(automatic=False, alpha=0.01, least=50, soak_s=1.5, margins={"latency": 1.5}),
    created_at=1_000.5,
    changed_at=1_001.5,
    replaced="before",
    reason="Grüße",
    by="ann",
    golden=GoldenResult(3, 2, 1, ("What does a berth cost?",), complete=True),
)


@pytest.fixture(params=["scripted", "sqlite", "postgres"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Releases, Releases]]:
    """Two processes' views of one store."""
    if request.param == "scripted":
        one = ScriptedReleases()
        yield one, one
        return
    if request.param == "sqlite":
        async with sqlite_database(tmp_path / "state.db") as database:
            yield StoredReleases(database), StoredReleases(database)
        return
    url = request.getfixturevalue("fresh_database")
    async with postgres_database(url, migrates=True) as database:
        await database.write(schema.upgrade)
    async with postgres_database(url) as database:
        yield StoredReleases(database), StoredReleases(database)


async def test_a_book_comes_back_as_it_was_written(both: tuple[Releases, Releases]) -> None:
    one, other = both
    assert await one.book() == Book()
    written = Book().put(FIRST, Release("second"))
    assert await one.write(written)
    assert await one.book() == await other.book() == written
    assert (await other.book()).find("first") == FIRST


async def test_of_two_who_write_one_is_told(both: tuple[Releases, Releases]) -> None:
    one, other = both
    book = Book().put(FIRST)
    assert sorted(await asyncio.gather(one.write(book), other.write(book))) == [False, True]
    changes = [book.put(replace(FIRST, weight=weight)) for weight in (0.3, 0.4)]
    assert sorted(await asyncio.gather(one.write(changes[0]), other.write(changes[1]))) == [False, True]
    latest = await one.book()
    assert latest in changes and latest == await other.book()
    assert not await other.write(book.put(FIRST))
    assert await one.write(latest.put(replace(FIRST, weight=0.5)))


async def test_what_was_measured_of_one_that_is_forgotten_goes_with_it(both: tuple[Releases, Releases]) -> None:
    one, other = both
    book = Book().put(FIRST, Release("second"))
    assert await one.write(book)
    for name in ("first", "second"):
        await other.add(name, {("control", "errors"): Tally(1, 1.0, 1.0)})
    assert await one.write(replace(book, revision=2, releases=(Release("second"),)))
    assert await other.tallies("first") == {} and await other.tallies("second") != {}
    # Its measures stay when somebody else was faster.
    assert not await other.write(replace(book, revision=2, releases=()))
    assert await one.tallies("second") != {}


async def test_sums_of_all_processes_add_up(both: tuple[Releases, Releases]) -> None:
    one, other = both
    assert await one.tallies("first") == {}
    mine, theirs = Tally(2, 1.5, 1.25), Tally(1, -0.5, 0.25)
    await asyncio.gather(
        *[one.add("first", {("control", "errors"): mine, ("candidate", "errors"): mine}) for _ in range(5)],
        *[other.add("first", {("candidate", "errors"): theirs}) for _ in range(5)],
    )
    await one.add("second", {("candidate", "latency"): mine})
    await one.add("first", {})
    assert await other.tallies("first") == {
        ("control", "errors"): Tally(10, 7.5, 6.25),
        ("candidate", "errors"): Tally(15, 5.0, 7.5),
    }
