"""What processes want of the pools: in memory, in SQLite and in PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tandem.adapters.scripted.demand import ScriptedDemand
from tandem.adapters.state import schema
from tandem.adapters.state.demand import StoredDemand
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.sqlite import sqlite_database
from tandem.ports.demand import SharedDemand, Told


@pytest.fixture(params=["scripted", "sqlite", "postgres"])
async def demand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SharedDemand]:
    if request.param == "scripted":
        yield ScriptedDemand()
    elif request.param == "sqlite":
        async with sqlite_database(tmp_path / "state.db") as embedded:
            yield StoredDemand(embedded)
    else:
        async with postgres_database(request.getfixturevalue("fresh_database"), migrates=True) as shared:
            await shared.write(schema.upgrade)
            yield StoredDemand(shared)


async def test_what_each_told_last_is_seen(demand: SharedDemand) -> None:
    assert await demand.all() == {}
    await demand.tell("one", Told(1, {"base": 3}))
    await demand.tell("two", Told(time := 2**62, {"base": 1, "cloud \N{SNOWMAN}": 2}))
    await demand.tell("one", Told(2))
    assert await demand.all() == {"one": Told(2), "two": Told(time, {"base": 1, "cloud \N{SNOWMAN}": 2})}


async def test_who_leaves_tells_nothing(demand: SharedDemand) -> None:
    await demand.tell("one", Told(1, {"base": 3}))
    await demand.drop("one")
    await demand.drop("who never told")
    assert await demand.all() == {}
