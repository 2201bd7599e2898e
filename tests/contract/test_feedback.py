"""One suite over every store of feedback, and of who was forgotten: the double, SQLite, PostgreSQL, a retriever's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.live import live
from tandem.adapters.remote.feedback import remote_feedback
from tandem.adapters.scripted.feedback import ScriptedFeedback
from tandem.adapters.scripted.forgotten import ScriptedForgotten
from tandem.adapters.state import schema
from tandem.adapters.state.feedback import StoredFeedback
from tandem.adapters.state.forgotten import StoredForgotten
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.sqlite import sqlite_database
from tandem.admission.keys import Key
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.feedback import Feedback
from tandem.ports.feedback import FeedbackFilter, FeedbackStore
from tandem.ports.forgotten import Forgetting, Forgotten

GOOD = Feedback("acme", "rcpt-1", 1.0, 1_000.5, "page", "ann", ("right", "short"), "Fourteen.", "Well said.")


@pytest.fixture(params=["scripted", "sqlite", "postgres", "remote"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[FeedbackStore, Forgotten]]:
    if request.param == "scripted":
        yield ScriptedFeedback(), ScriptedForgotten()
        return
    if request.param == "sqlite":
        async with sqlite_database(tmp_path / "state.db") as database:
            yield StoredFeedback(database), StoredForgotten(database)
        return
    if request.param == "remote":
        async with live(Api(trust_tenant=True).app) as url, remote_feedback(url) as both:
            yield both
        return
    url = request.getfixturevalue("fresh_database")
    async with postgres_database(url, migrates=True) as database:
        await database.write(schema.upgrade)
    async with postgres_database(url) as database:
        yield StoredFeedback(database), StoredForgotten(database)


@pytest.fixture
def store(stores: tuple[FeedbackStore, Forgotten]) -> FeedbackStore:
    return stores[0]


async def every(store: FeedbackStore, limit: int = 2, **wanted: object) -> list[Feedback]:
    found: list[Feedback] = []
    after = None
    while True:
        page = await store.page("acme", FeedbackFilter(**wanted), limit=limit, after=after)  # type: ignore[arg-type]
        found += page.feedback
        if page.next_after is None:
            return found
        assert len(page.feedback) == limit
        after = page.next_after


async def test_it_comes_back_as_it_was_given(store: FeedbackStore) -> None:
    bare = Feedback("acme", "rcpt-2", -0.5, 2_000.0)
    assert not await store.give(GOOD)
    assert not await store.give(bare)
    assert await store.about("acme", ["rcpt-1", "rcpt-2", "rcpt-3"]) == (GOOD, bare)


async def test_the_last_word_of_the_same_person_counts(store: FeedbackStore) -> None:
    await store.give(GOOD)
    again = replace(GOOD, rating=-1.0, given_at=1_001.0, comment=None, labels=())
    assert await store.give(again)
    assert await store.give(again)
    assert await every(store) == [again]


async def test_others_have_words_of_their_own(store: FeedbackStore) -> None:
    given = [GOOD, replace(GOOD, user="bob"), replace(GOOD, caller="cli"), replace(GOOD, user=None)]
    for each in given:
        assert not await store.give(each)
    assert set(await every(store)) == set(given)


async def test_no_tenant_sees_or_deletes_anothers(store: FeedbackStore) -> None:
    await store.give(GOOD)
    await store.give(replace(GOOD, tenant="north", rating=-1.0))
    assert await store.tenants() == ("acme", "north")
    assert await every(store) == [GOOD]
    assert await store.forget("acme") == 1
    assert [each.rating for each in await store.about("north", ["rcpt-1"])] == [-1.0]


async def test_filters(store: FeedbackStore) -> None:
    low = Feedback("acme", "rcpt-2", -1.0, 2_000.0, "page", "bob", ("wrong",))
    none = Feedback("acme", "rcpt-3", 0.0, 3_000.0, "page")
    for each in (GOOD, low, none):
        await store.give(each)
    assert await every(store, least=0.5) == [GOOD]
    assert await every(store, most=0.0) == [low, none]
    assert await every(store, label="short") == [GOOD]
    assert await every(store, label="shor") == []
    assert await every(store, label="%") == []
    assert await every(store, user="bob") == [low]
    assert await every(store, since=2_000.0, until=3_000.0) == [low]


async def test_pages_meet_each_once_also_where_they_came_at_one_time(store: FeedbackStore) -> None:
    given = [Feedback("acme", f"rcpt-{n % 3}", 1.0, 5.0, "page", f"u{n}") for n in range(7)]
    for each in given:
        await store.give(each)
    found = await every(store, limit=3)
    assert sorted(found, key=repr) == sorted(given, key=repr)


async def test_what_is_forgotten_is_what_was_meant(store: FeedbackStore) -> None:
    old = replace(GOOD, receipt_id="rcpt-0", given_at=1.0)
    of_bob = replace(GOOD, receipt_id="rcpt-2", user="bob", given_at=2_000.0)
    for each in (GOOD, old, of_bob):
        await store.give(each)
    assert await store.forget("acme", before=1_000.5) == 1
    assert await store.forget("acme", user="bob", before=2_000.0) == 0
    assert await store.forget("acme", user="bob") == 1
    assert await store.forget("acme", receipt_ids=[]) == 0
    assert await store.forget("acme", receipt_ids=[f"rcpt-{n}" for n in range(1_200)]) == 1
    assert await every(store) == []


async def test_odd_characters_do_no_harm(store: FeedbackStore) -> None:
    await store.give(replace(GOOD, comment="a\0b\ud800", user="x\0y", receipt_id="rcpt-\ud800"))
    assert await store.about("acme", ["' OR 1=1 --"]) == ()
    assert len(await every(store)) == 1


async def test_who_was_forgotten_is_noted_once_and_never_earlier(stores: tuple[FeedbackStore, Forgotten]) -> None:
    notes = stores[1]
    await notes.note(Forgetting("acme", ("ann", "user-1"), 10.0))
    await notes.note(Forgetting("acme", ("ann",), 20.0))
    await notes.note(Forgetting("acme", ("ann",), 5.0))
    await notes.note(Forgetting("north", ("ann",), 7.0))
    await notes.note(Forgetting("north", (), 7.0))
    found = {(each.tenant, each.users): each.at for each in await notes.all()}
    assert found == {("acme", ("ann",)): 20.0, ("acme", ("user-1",)): 10.0, ("north", ("ann",)): 7.0}
    assert await notes.drop(10.0) == 1
    assert len(await notes.all()) == 2


async def test_only_peers_are_given_other_tenants_opinions() -> None:
    app = Api(keys=[Key("ann", sha256(b"a-key-of-ann").hexdigest(), "acme")]).app
    async with live(app) as url, remote_feedback(url, api_key="a-key-of-ann") as (feedback, notes):
        for call in (feedback.tenants(), notes.all(), feedback.about("acme", ["rcpt-1"])):
            with pytest.raises(UpstreamUnavailable, match="for this key"):
                await call
