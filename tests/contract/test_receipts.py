"""One suite over every store of receipts: the double, SQLite, PostgreSQL, a retriever's behind a socket."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.live import live
from fakes.records import answer_record
from tandem.adapters.remote.receipts import remote_receipts
from tandem.adapters.scripted.receipts import ScriptedReceipts
from tandem.adapters.state import schema
from tandem.adapters.state.database import Database
from tandem.adapters.state.feedback import StoredFeedback
from tandem.adapters.state.postgres import postgres_database
from tandem.adapters.state.receipts import StoredReceipts
from tandem.adapters.state.sqlite import sqlite_database
from tandem.admission.keys import Key
from tandem.domain.errors import DocumentRejected, UpstreamUnavailable
from tandem.domain.feedback import Feedback
from tandem.domain.record import AnswerRecord
from tandem.ports.receipts import Cursor, ReceiptFilter, Receipts

STORES = ["scripted", "sqlite", "postgres", "remote"]


Rate = Callable[[str, str, float], Awaitable[None]]


@pytest.fixture(params=STORES)
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Receipts, Rate]]:
    """A store, and how somebody rates what is in it."""
    if request.param == "scripted":
        double = ScriptedReceipts()

        async def note(tenant: str, receipt_id: str, rating: float) -> None:
            double.ratings.setdefault((tenant, receipt_id), []).append(rating)

        yield double, note
        return

    def rates(database: Database) -> Rate:
        async def give(tenant: str, receipt_id: str, rating: float) -> None:
            caller = f"caller-{rating}"
            await StoredFeedback(database).give(Feedback(tenant, receipt_id, rating, 1.0, caller))

        return give

    if request.param == "remote":
        async with (
            sqlite_database(tmp_path / "state.db") as database,
            live(Api(receipts=StoredReceipts(database), trust_tenant=True).app) as url,
            remote_receipts(url, timeout_s=10) as remote,
        ):
            yield remote, rates(database)
        return
    if request.param == "sqlite":
        async with sqlite_database(tmp_path / "state.db") as database:
            yield StoredReceipts(database), rates(database)
        return
    url = request.getfixturevalue("fresh_database")
    async with postgres_database(url, migrates=True) as database:
        await database.write(schema.upgrade)
    async with postgres_database(url) as database:
        yield StoredReceipts(database), rates(database)


@pytest.fixture
def store(opened: tuple[Receipts, Rate]) -> Receipts:
    return opened[0]


def made(count: int, **more: str) -> list[AnswerRecord]:
    return [answer_record(f"rcpt-{number:02}", began_at=1_000.1 + number, **more) for number in range(count)]  # type: ignore[arg-type]


async def ids(store: Receipts, tenant: str = "acme", **wanted: object) -> list[str]:
    page = await store.page(tenant, ReceiptFilter(**wanted), limit=100)  # type: ignore[arg-type]
    return [record.id for record in page.records]


async def test_what_is_kept_comes_back_as_it_was(store: Receipts) -> None:
    record = answer_record(user="u-7", groups=("hr",))
    failed = replace(record, id="rcpt-2", outcome="failed", model=None, prompt=None, trace=None)
    await store.keep([record, failed])
    assert await store.receipt("acme", "rcpt-1") == record
    assert await store.receipt("acme", "rcpt-2") == failed


async def test_an_unknown_one_and_another_tenants_are_none(store: Receipts) -> None:
    await store.keep([answer_record()])
    assert await store.receipt("north", "rcpt-1") is None
    assert await store.receipt("acme", "rcpt-2") is None
    assert await store.receipt("acme", "' OR 1=1 --") is None
    assert await store.receipt("acme", "\0\ud800") is None


async def test_one_that_comes_again_counts_once(store: Receipts) -> None:
    await store.keep([answer_record()])
    await store.keep([answer_record(question="Again?"), answer_record("rcpt-2"), answer_record("rcpt-2")])
    found = await store.receipt("acme", "rcpt-1")
    assert found is not None and found.question.text == answer_record().question.text
    assert await ids(store) == ["rcpt-2", "rcpt-1"]


async def test_two_tenants_may_have_the_same_id(store: Receipts) -> None:
    await store.keep([answer_record(), answer_record(tenant="north", question="Where?")])
    found = await store.receipt("north", "rcpt-1")
    assert found is not None and found.question.text == "Where?"
    assert await store.tenants() == ("acme", "north")


async def test_nothing_kept_is_nothing(store: Receipts) -> None:
    await store.keep([])
    assert await store.tenants() == ()
    assert (await store.page("acme", ReceiptFilter(), limit=10)).records == ()


async def test_pages_go_from_the_newest_and_meet_each_once(store: Receipts) -> None:
    records = [*made(7), answer_record("rcpt-same-a", began_at=1_003.1), answer_record("rcpt-same-b", began_at=1_003.1)]
    await store.keep(records)
    seen: list[str] = []
    after: Cursor | None = None
    while True:
        page = await store.page("acme", ReceiptFilter(), limit=2, after=after)
        seen += [record.id for record in page.records]
        if after is None:
            # What is newer than the first page does not shift the others.
            await store.keep([answer_record("rcpt-new", began_at=9_000)])
        if page.next_after is None:
            break
        after = page.next_after
    order = sorted(records, key=lambda record: (record.timing.began_at, record.id), reverse=True)
    assert seen == [record.id for record in order]


async def test_a_page_of_large_records_is_shorter_and_the_next_goes_on(tmp_path: Path) -> None:
    large = [replace(each, question=replace(each.question, text="x" * 1_500_000)) for each in made(5)]
    async with (
        sqlite_database(tmp_path / "state.db") as database,
        live(Api(receipts=StoredReceipts(database), trust_tenant=True).app) as url,
        remote_receipts(url, timeout_s=10) as store,
    ):
        await store.keep(large)
        first = await store.page("acme", ReceiptFilter(), limit=5)
        assert [record.id for record in first.records] == ["rcpt-04", "rcpt-03"]
        rest = await store.page("acme", ReceiptFilter(), limit=5, after=first.next_after)
        assert [record.id for record in rest.records] == ["rcpt-02", "rcpt-01"]


async def test_a_record_that_is_larger_than_a_peer_takes_is_refused_alone(tmp_path: Path) -> None:
    huge = replace(answer_record("rcpt-huge"), question=replace(answer_record().question, text="x" * 33_000_000))
    double = ScriptedReceipts()
    async with live(Api(receipts=double, trust_tenant=True).app) as url, remote_receipts(url, timeout_s=30) as store:
        with pytest.raises(DocumentRejected):
            await store.keep([huge])
        await store.keep([answer_record()])
    assert list(double.records) == [("acme", "rcpt-1")]


async def test_a_key_that_is_no_peer_s_is_told_what_to_do(tmp_path: Path) -> None:
    key = Key("gateway", hashlib.sha256(b"secret").hexdigest())
    async with (
        live(Api(keys=[key]).app) as url,
        remote_receipts(url, api_key="secret", timeout_s=10) as store,
    ):
        with pytest.raises(UpstreamUnavailable) as refused:
            await store.keep([answer_record()])
    assert "peer: true" in (refused.value.hint or "")


async def test_each_filter_by_itself_and_together(store: Receipts) -> None:
    await store.keep(
        [
            answer_record("a", began_at=1),
            answer_record("b", began_at=2, caller="bob", user="u-1"),
            answer_record("c", began_at=3, outcome="failed", collection="docs@4"),
            answer_record("d", began_at=4, collection="docs_two@1", prompt="answer@2"),
            answer_record("e", began_at=5, model="gpt", release="8", user="u-1"),
            answer_record("z", began_at=6, tenant="north", user="u-1"),
        ]
    )
    assert await ids(store) == ["e", "d", "c", "b", "a"]
    assert await ids(store, caller="bob") == ["b"]
    assert await ids(store, user="u-1") == ["e", "b"]
    assert await ids(store, outcome="failed") == ["c"]
    assert await ids(store, collection="docs") == ["e", "c", "b", "a"]
    assert await ids(store, collection="docs@4") == ["c"]
    assert await ids(store, collection="docs_two") == ["d"]
    assert await ids(store, collection="do%") == []
    assert await ids(store, prompt="answer") == ["e", "d", "c", "b", "a"]
    assert await ids(store, prompt="answer@2") == ["d"]
    assert await ids(store, model="gpt") == ["e"]
    assert await ids(store, release="8") == ["e"]
    assert await ids(store, since=2, until=4) == ["c", "b"]
    assert await ids(store, user="u-1", model="llama") == ["b"]


async def test_what_people_said_of_it_is_a_filter_too(opened: tuple[Receipts, Rate]) -> None:
    store, rate = opened
    await store.keep([*made(4), answer_record("rcpt-00", tenant="north")])
    for tenant, receipt_id, rating in (
        ("acme", "rcpt-00", 1.0),
        ("acme", "rcpt-01", -0.5),
        ("acme", "rcpt-02", 0.0),
        ("acme", "rcpt-03", 0.5),
        ("acme", "rcpt-03", -1.0),
        ("north", "rcpt-00", -1.0),
        ("acme", "rcpt-gone", 1.0),
    ):
        await rate(tenant, receipt_id, rating)
    assert await ids(store, rating="up") == ["rcpt-03", "rcpt-00"]
    assert await ids(store, rating="down") == ["rcpt-03", "rcpt-01"]
    assert await ids(store, "north", rating="down") == ["rcpt-00"]
    assert await ids(store) == ["rcpt-03", "rcpt-02", "rcpt-01", "rcpt-00"]


async def test_scores_that_come_later_stand_beside_the_others(store: Receipts) -> None:
    record = answer_record()
    assert not await store.judged("acme", "rcpt-1", {"judge": 1.0})
    assert await store.receipt("acme", "rcpt-1") is None
    await store.keep([record, answer_record(tenant="north")])
    assert await store.judged("acme", "rcpt-1", {"judge": 0.25})
    assert await store.judged("acme", "rcpt-1", {"judge": 0.5})
    assert await store.receipt("acme", "rcpt-1") == replace(record, scores={**record.scores, "judge": 0.5})
    assert await store.receipt("north", "rcpt-1") == answer_record(tenant="north")


async def test_a_users_are_forgotten_and_nobody_elses(store: Receipts) -> None:
    await store.keep([answer_record("a", user="u-1"), answer_record("b", user="u-2"), answer_record("c")])
    await store.keep([answer_record("a", tenant="north", user="u-1")])
    assert await store.forget("acme", user="u-1") == 1
    assert await store.forget("acme", user="u-1") == 0
    assert await ids(store) == ["c", "b"]
    assert await ids(store, "north") == ["a"]


async def test_old_ones_are_forgotten_also_when_they_are_many(store: Receipts) -> None:
    await store.keep([answer_record(f"rcpt-{number:04}", began_at=number) for number in range(1_200)])
    assert await store.forget("acme", before=1_150) == 1_150
    assert len(await ids(store)) == 50
    assert await store.forget("acme", user="nobody", before=1_200) == 0
    assert await store.forget("acme") == 50


async def test_strange_texts_are_kept_and_found(store: Receipts) -> None:
    record = answer_record(user="u\0%_'☃", question="a\0b 漢字 🚢")
    await store.keep([record])
    assert await store.receipt("acme", "rcpt-1") == record
    assert await ids(store, user="u\0%_'☃") == ["rcpt-1"]
    assert await ids(store, user="u%") == []
