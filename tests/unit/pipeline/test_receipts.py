"""What a reader sees of a receipt, and that it is there as soon as the answer is."""

import asyncio
from dataclasses import dataclass, replace

import orjson
import pytest

from fakes.records import ANSWER, PASSAGE, QUESTION, answer_record
from tandem.adapters.scripted.monitor import ScriptedMonitor
from tandem.adapters.scripted.receipts import ScriptedReceipts
from tandem.domain.errors import ConfigurationError, StoreFull, UnknownReceipt, UpstreamUnavailable
from tandem.domain.filters import Condition
from tandem.domain.question import Sampling
from tandem.domain.reader import Reader
from tandem.domain.record import AnswerRecord, RecordedError, RecordedOptions
from tandem.pipeline.in_flight import Holding, InFlight
from tandem.pipeline.receipt_sink import ReceiptSink
from tandem.pipeline.receipts import ReadReceipts
from tandem.ports.receipts import ReceiptFilter

ANN = Reader("acme", "ann", ("hr",))
BOB = Reader("acme", "bob", ("hr",))


@dataclass(frozen=True)
class Ended:
    one: AnswerRecord
    size: int = 100

    @property
    def key(self) -> tuple[str, str]:
        return self.one.asker.tenant, self.one.id

    def record(self) -> AnswerRecord:
        return self.one


def on_its_way(held: InFlight, record: AnswerRecord, size: int = 100) -> None:
    held.expect(Ended(record, size))
    held.prepared(record)


def asked(**more: object) -> AnswerRecord:
    return answer_record(groups=("hr",), user="u-7", **more)  # type: ignore[arg-type]


async def read(record: AnswerRecord, reader: Reader) -> tuple[AnswerRecord, bool]:
    store = ScriptedReceipts()
    await store.keep([record])
    found = await ReadReceipts(store, InFlight()).receipt(record.id, reader)
    return found.record, found.withheld


@pytest.mark.parametrize(
    "reader",
    [
        ANN,
        Reader("acme", "ann", ("board", "hr")),
        Reader("acme", "ann", ("*",)),
        Reader("acme", "chief", ("hr",), admin=True),
        Reader("acme", None, ("*",), admin=True),
    ],
    ids=str,
)
async def test_whoever_asked_and_admins_of_its_groups_read_it_whole(reader: Reader) -> None:
    assert await read(asked(), reader) == (asked(), False)


@pytest.mark.parametrize(
    "reader",
    [
        BOB,
        Reader("acme", "bob", ("*",)),
        Reader("acme", "ann", ()),
        Reader("acme", "ann", ("eng",)),
        Reader("acme", "chief", (), admin=True),
        Reader("acme", None, ("hr",)),
    ],
    ids=str,
)
async def test_others_of_the_tenant_read_no_word_of_it(reader: Reader) -> None:
    record = replace(
        asked(),
        sampling=Sampling(stop=("Zephyr",)),
        outcome="failed",
        error=RecordedError("internal_error", f"About {QUESTION}", "generation"),
    )
    options = RecordedOptions(top_k=3, filters=(Condition("author", ("Zephyr",)),))
    record = replace(record, retrieval=replace(record.retrieval, options=options))
    seen, withheld = await read(record, reader)
    assert withheld
    told = orjson.dumps(seen).decode()
    for hidden in (QUESTION, ANSWER, PASSAGE, "harbour.md", "Harbour guide", "u-7", '"hr"', "Hello.", "Zephyr"):
        assert hidden not in told
    assert seen.question.chars == len(QUESTION)
    assert seen.retrieval.collection == "docs@3"
    assert [each.scores for each in seen.retrieval.passages] == [each.scores for each in record.retrieval.passages]
    assert seen.model == record.model and seen.timing == record.timing
    assert seen.error is not None and seen.error.code == "internal_error"


async def test_an_unknown_one_and_another_tenants_are_refused_in_the_same_words() -> None:
    store = ScriptedReceipts()
    await store.keep([asked()])
    held = InFlight()
    on_its_way(held, asked(id_="rcpt-2"))
    reading = ReadReceipts(store, held)
    said = set()
    for id_ in ("rcpt-1", "rcpt-2", "rcpt-3", "", "rcpt-1' --"):
        with pytest.raises(UnknownReceipt) as refused:
            await reading.receipt(id_, Reader("north", "ann", ("*",), admin=True))
        said.add((refused.value.message, refused.value.hint))
    assert len(said) == 1


async def test_it_is_there_before_it_is_stored_as_it_was_prepared() -> None:
    store, held = ScriptedReceipts(), InFlight()
    reading, sink = ReadReceipts(store, held), ReceiptSink(store, held)
    on_its_way(held, replace(asked(), release="prepared"))
    assert (await reading.receipt("rcpt-1", ANN)).record.release == "prepared"
    await sink.ship([replace(asked(), release="stored")])
    assert (await reading.receipt("rcpt-1", ANN)).record.release == "stored"


async def test_whoever_asks_before_it_is_prepared_waits_for_it() -> None:
    held = InFlight()
    held.expect(Ended(asked()))
    waiting = [asyncio.create_task(held.find("acme", "rcpt-1")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.to_thread(held.prepared, asked())
    assert await asyncio.gather(*waiting[1:]) == [asked(), asked()]


async def test_nobody_waits_for_an_id_that_is_none_or_another_tenants() -> None:
    held = InFlight(patience_s=600)
    held.expect(Ended(asked()))
    async with asyncio.timeout(5):
        assert await held.find("north", "rcpt-1") is None
        assert await held.find("acme", "rcpt-2") is None


async def test_one_that_is_never_prepared_is_not_waited_for_without_end() -> None:
    held = InFlight(patience_s=0.01)
    held.expect(Ended(asked()))
    assert await held.find("acme", "rcpt-1") is None


async def test_only_so_many_and_so_large_ones_are_held() -> None:
    held = InFlight(most=3, most_bytes=1_000)
    for number in range(5):
        on_its_way(held, answer_record(f"rcpt-{number}"))
    on_its_way(held, answer_record("rcpt-4"))
    assert [number for number in range(5) if await held.find("acme", f"rcpt-{number}")] == [2, 3, 4]
    on_its_way(held, answer_record("rcpt-large"), size=900)
    assert await held.find("acme", "rcpt-3") is None
    assert await held.find("acme", "rcpt-large")
    on_its_way(held, answer_record("rcpt-too-large"), size=1_001)
    assert await held.find("acme", "rcpt-too-large") is None
    # What was let go takes no room any more.
    for number in range(3):
        on_its_way(held, answer_record(f"rcpt-{number}"), size=330)
    assert await held.find("acme", "rcpt-0")


async def test_records_without_texts_take_little_room_however_long_their_answers_were() -> None:
    held = InFlight(most_bytes=40_000)
    for number in range(6):
        on_its_way(held, replace(answer_record(f"rcpt-{number}"), content=False), size=20_000)
    assert [number for number in range(6) if await held.find("acme", f"rcpt-{number}")] == [0, 1, 2, 3, 4, 5]


async def test_every_answer_reaches_the_monitor_behind_and_is_expected_before() -> None:
    behind = ScriptedMonitor()
    held = InFlight(most=1)
    monitor = Holding(behind, held)
    for number in range(3):
        monitor.take(Ended(answer_record(f"rcpt-{number}")))
    held.prepared(answer_record("rcpt-0"))
    held.prepared(answer_record("rcpt-2"))
    assert await held.find("acme", "rcpt-2") == answer_record("rcpt-2")
    assert await held.find("acme", "rcpt-0") is None
    assert [record.id for record in behind.records] == ["rcpt-0", "rcpt-1", "rcpt-2"]


@pytest.mark.parametrize("fault", [StoreFull("Full."), ConfigurationError("Behind."), UpstreamUnavailable("Away.")])
async def test_a_store_that_cannot_now_may_later(fault: Exception) -> None:
    store, held = ScriptedReceipts(), InFlight()
    sink = ReceiptSink(store, held)
    on_its_way(held, asked())
    store.fault = fault
    with pytest.raises(UpstreamUnavailable):
        await sink.ship([asked()])
    assert await held.find("acme", "rcpt-1")
    store.fault = None
    await sink.ship([asked()])
    assert await held.find("acme", "rcpt-1") is None


async def test_a_user_is_looked_for_as_it_is_recorded_and_by_others_in_their_own() -> None:
    store = ScriptedReceipts()
    hashed = {"u-7": "h7"}
    await store.keep([answer_record("a", user="h7"), answer_record("b", user="h7", caller="bob"), answer_record("c")])
    reading = ReadReceipts(store, InFlight(), lambda _, user: hashed.get(user, user))

    async def ids(reader: Reader, **wanted: str) -> list[str]:
        listing = await reading.listing(ReceiptFilter(**wanted), reader, limit=10)  # type: ignore[arg-type]
        return [each.record.id for each in listing.receipts]

    assert await ids(ANN) == ["c", "b", "a"]
    assert await ids(ANN, user="u-7") == ["a"]
    assert await ids(BOB, user="u-7") == ["b"]
    assert await ids(BOB, user="u-7", caller="ann") == []
    assert await ids(BOB, caller="ann") == ["c", "a"]
    assert await ids(Reader("acme", "chief", (), admin=True), user="u-7") == ["b", "a"]


async def test_a_list_withholds_as_a_receipt_does() -> None:
    store = ScriptedReceipts()
    await store.keep([asked(), asked(id_="rcpt-2", caller="bob")])
    listing = await ReadReceipts(store, InFlight()).listing(ReceiptFilter(), ANN, limit=10)
    assert [(each.record.id, each.withheld) for each in listing.receipts] == [("rcpt-2", True), ("rcpt-1", False)]
    assert listing.receipts[0].record.question.text is None
