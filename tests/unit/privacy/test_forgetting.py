"""What a user may ask for, and what goes by itself."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest

from fakes.records import answer_record
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.feedback import ScriptedFeedback
from tandem.adapters.scripted.forgotten import ScriptedForgotten
from tandem.adapters.scripted.receipts import ScriptedReceipts
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.feedback import Feedback
from tandem.domain.record import AnswerRecord
from tandem.pipeline.privacy.personal import PersonalData, Places
from tandem.pipeline.privacy.retention import Retention
from tandem.pipeline.privacy.users import Users
from tandem.pipeline.privacy.withholding import DAY_S, Forgettable, Withholding
from tandem.ports.forgotten import Forgetting
from tandem.ports.receipts import ReceiptFilter

USERS = Users(b"k" * 32)


class Meter:
    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}

    def deleted(self, where: str, why: str, times: int) -> None:
        self.counts[where, why] = self.counts.get((where, why), 0) + times


class Files:
    """An archive that keeps rows by tenant, day and user."""

    def __init__(self, *rows: tuple[str, date, str, str]) -> None:
        self.rows = list(rows)

    async def tenants(self) -> tuple[str, ...]:
        return tuple(sorted({row[0] for row in self.rows}))

    async def drop(self, tenant: str, before: date) -> int:
        return self._without(lambda row: row[0] == tenant and row[1] < before)

    async def forget(self, users: Sequence[str], tenant: str | None = None) -> int:
        return self._without(lambda row: row[0] == tenant and row[2] in users)

    async def export(self, users: Sequence[str], tenant: str | None = None) -> list[dict[str, Any]]:
        return [{"id": row[3], "tenant": row[0]} for row in self.rows if row[2] in users and row[0] == tenant]

    def _without(self, gone: Callable[[tuple[str, date, str, str]], bool]) -> int:
        left = [row for row in self.rows if not gone(row)]
        count = len(self.rows) - len(left)
        self.rows = left
        return count


class PutAside:
    def __init__(self, *records: AnswerRecord) -> None:
        self.records = list(records)

    async def forget(self, gone: Callable[[AnswerRecord], bool]) -> int:
        before = len(self.records)
        self.records = [record for record in self.records if not gone(record)]
        return before - len(self.records)


class Sink:
    name = "collector"

    def __init__(self) -> None:
        self.got: list[str] = []

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        self.got += [record.id for record in records]


class House:
    """Ann's and Bob's answers at acme, Ann's at north, and what was thought of them."""

    def __init__(self) -> None:
        self.clock = ScriptedClock(epoch_s=1_700_000_000.0)
        now = self.clock.epoch_s()
        self.receipts, self.feedback, self.forgotten = ScriptedReceipts(), ScriptedFeedback(), ScriptedForgotten()
        alias = USERS.alias("acme", "ann")
        for record in (
            answer_record("rcpt-1", user="ann", began_at=now - 5 * DAY_S),
            answer_record("rcpt-2", user=alias, began_at=now - 2 * DAY_S),
            answer_record("rcpt-3", user="bob", began_at=now - 1),
            answer_record("rcpt-4", tenant="north", user="ann", began_at=now - 9 * DAY_S),
        ):
            self.receipts.records[record.asker.tenant, record.id] = record
        for said in (
            Feedback("acme", "rcpt-1", 1.0, now - 5 * DAY_S, "page", "ann"),
            Feedback("acme", "rcpt-2", -1.0, now - 1, "page", "bob", comment="What Ann asked is silly."),
            Feedback("acme", "rcpt-3", 1.0, now - 1, "page", alias),
            Feedback("acme", "rcpt-3", 1.0, now - 1, "page", "bob"),
            Feedback("north", "rcpt-4", 1.0, now - 1, "page", "ann"),
        ):
            self.feedback.kept[said.tenant, said.receipt_id, said.caller, said.user or ""] = said
        self.files = Files(
            ("acme", date(2023, 11, 9), "ann", "rcpt-1"),
            ("acme", date(2023, 11, 14), alias or "", "rcpt-0"),
            ("acme", date(2023, 11, 14), "bob", "rcpt-3"),
            ("north", date(2023, 11, 5), "ann", "rcpt-4"),
        )
        self.aside = PutAside(
            answer_record("rcpt-5", user="ann", began_at=now - 1), answer_record("rcpt-6", user="bob", began_at=now - 1)
        )
        self.days: dict[str, float | None] = {}
        self.places = Places(
            self.receipts, self.feedback, self.forgotten, {"parquet": self.files}, {"refused": self.aside}, ("otlp",)
        )
        self.forgettable = Forgettable(self.forgotten, self.kept_days, self.clock)
        self.meter = Meter()
        self.personal = PersonalData(self.places, USERS, self.forgettable, self.clock, self.meter)

    def kept_days(self, tenant: str) -> float | None:
        return self.days.get(tenant)

    def retention(self, longest_days: float | None = None) -> Retention:
        return Retention(self.places, self.kept_days, longest_days, self.forgettable, self.clock, self.meter)

    async def left(self, tenant: str) -> list[str]:
        page = await self.receipts.page(tenant, ReceiptFilter(), limit=100)
        return sorted(record.id for record in page.records)


@pytest.fixture
def house() -> House:
    return House()


async def test_all_of_a_user_goes_and_nothing_of_others(house: House) -> None:
    done = await house.personal.delete("acme", "ann")
    assert done.deleted == {"receipts": 2, "feedback": 3, "parquet": 2, "refused": 1}
    assert done.elsewhere == ("otlp",)
    assert await house.left("acme") == ["rcpt-3"]
    assert await house.left("north") == ["rcpt-4"]
    assert [(each.tenant, each.user) for each in house.feedback.kept.values()] == [("acme", "bob"), ("north", "ann")]
    assert [row[3] for row in house.files.rows] == ["rcpt-3", "rcpt-4"]
    assert house.meter.counts["receipts", "user"] == 2


async def test_deleting_twice_is_deleting_once(house: House) -> None:
    await house.personal.delete("acme", "ann")
    again = await house.personal.delete("acme", "ann")
    assert set(again.deleted.values()) == {0}
    assert set((await house.personal.delete("acme", "nobody")).deleted.values()) == {0}


async def test_a_round_that_comes_meanwhile_takes_nothing_from_what_is_told(house: House) -> None:
    rounds: list[asyncio.Task[dict[str, int]]] = []
    note = house.forgotten.note

    async def noted(forgetting: Forgetting) -> None:
        await note(forgetting)
        rounds.append(asyncio.create_task(house.retention().round()))
        await asyncio.sleep(0.01)

    house.forgotten.note = noted  # type: ignore[method-assign]
    done = await house.personal.delete("acme", "ann")
    assert done.deleted == {"receipts": 2, "feedback": 3, "parquet": 2, "refused": 1}
    assert await rounds[0] == {}


async def test_everything_kept_of_a_user_is_handed_out(house: House) -> None:
    told = [each async for each in house.personal.export("acme", "ann")]
    assert [(kind, value.get("id") or value.get("receipt_id")) for kind, value in told] == [
        ("receipt", "rcpt-1"),
        ("feedback", "rcpt-1"),
        ("receipt", "rcpt-2"),
        ("feedback", "rcpt-3"),
        ("parquet", "rcpt-0"),
        ("end", None),
    ]
    assert told[-1][1] == {"receipt": 2, "feedback": 2, "parquet": 1}


async def test_what_is_on_its_way_never_arrives(house: House) -> None:
    now = house.clock.epoch_s()
    await house.personal.delete("acme", "ann")
    sink = Sink()
    passed: list[str] = []
    way = Withholding(sink, house.forgettable, lambda gone: passed.extend(each.id for each in gone))
    before = answer_record("old", user="ann", began_at=now - 1)
    alias = answer_record("alias", user=USERS.alias("acme", "ann"), began_at=now)
    after = answer_record("new", user="ann", began_at=now + 1)
    other = answer_record("other", tenant="north", user="ann", began_at=now - 1)
    nobody = answer_record("nobody", began_at=now - 1)
    await way.ship([before, alias, after, other, nobody])
    assert sink.got == ["new", "other", "nobody"]
    assert passed == ["old", "alias"]
    await way.ship([before])
    assert sink.got == ["new", "other", "nobody"]


async def test_a_deletion_at_another_process_is_heeded_soon(house: House) -> None:
    sink = Sink()
    way = Withholding(sink, house.forgettable)
    now = house.clock.epoch_s()
    await way.ship([answer_record("1", user="eve", began_at=now - 5)])
    await house.forgotten.note(Forgetting("acme", ("eve",), now))
    house.clock.advance(3)
    await way.ship([answer_record("2", user="eve", began_at=now - 5)])
    assert sink.got == ["1"]


async def test_nothing_is_shipped_before_it_is_known_who_was_forgotten(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink()
    way = Withholding(sink, house.forgettable)
    house.forgotten.fault = UpstreamUnavailable("The store is away.")
    with pytest.raises(UpstreamUnavailable):
        await way.ship([answer_record()])
    assert sink.got == []
    house.forgotten.fault = None
    house.clock.advance(20)
    await way.ship([answer_record()])
    house.forgotten.fault = UpstreamUnavailable("The store is away.")
    house.clock.advance(20)
    await way.ship([answer_record("rcpt-2")])
    assert sink.got == ["rcpt-1", "rcpt-2"]
    assert "as of a while ago" in caplog.text


async def test_what_is_too_old_goes_by_tenant(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house.days = {"acme": 3.0, "north": None}
    gone = await house.retention().round()
    assert gone == {"receipts": 1, "feedback": 1, "parquet": 1}
    assert await house.left("acme") == ["rcpt-2", "rcpt-3"]
    assert await house.left("north") == ["rcpt-4"]
    assert house.meter.counts["parquet", "age"] == 1
    assert "deleted for their age: 1 receipts" in caplog.text
    assert await house.retention().round() == {}


async def test_what_is_too_old_does_not_arrive_either(house: House) -> None:
    house.days = {"acme": 3.0}
    sink = Sink()
    now = house.clock.epoch_s()
    await Withholding(sink, house.forgettable).ship(
        [answer_record("old", began_at=now - 4 * DAY_S), answer_record("new", began_at=now)]
    )
    assert sink.got == ["new"]
    house.aside.records.append(answer_record("ancient", began_at=now - 4 * DAY_S))
    assert (await house.retention().round())["refused"] == 1


async def test_one_place_that_is_away_holds_up_no_other(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.days = {"acme": 3.0}
    house.receipts.fault = UpstreamUnavailable("The store is away.")
    gone = await house.retention().round()
    assert gone == {"feedback": 1, "parquet": 1}
    assert "cannot be deleted from receipts" in caplog.text
    house.receipts.fault = None
    assert (await house.retention().round())["receipts"] == 1


async def test_what_another_process_kept_too_late_goes_with_the_next_round(house: House) -> None:
    now = house.clock.epoch_s()
    await house.personal.delete("acme", "ann")
    late = answer_record("rcpt-late", user=USERS.alias("acme", "ann"), began_at=now)
    house.clock.advance(60)
    new = answer_record("rcpt-new", user="ann", began_at=now + 60)
    await house.receipts.keep([late, new])
    assert await house.retention().round() == {"receipts": 1}
    assert await house.left("acme") == ["rcpt-3", "rcpt-new"]


async def test_a_clock_that_was_set_anew_deletes_nothing(house: House) -> None:
    house.days = {"acme": 30.0}
    retention = house.retention()
    house.clock._epoch_s += 400 * DAY_S
    assert await retention.round() == {}
    assert len(await house.left("acme")) == 3


async def test_notes_of_the_forgotten_go_when_nothing_can_be_on_its_way(house: House) -> None:
    await house.personal.delete("acme", "ann")
    retention = house.retention(longest_days=2.0)
    house.clock.advance(DAY_S)
    await retention.round()
    assert len(await house.forgotten.all()) == 2
    house.clock.advance(2 * DAY_S)
    await retention.round()
    assert await house.forgotten.all() == []


async def test_a_note_never_moves_back() -> None:
    notes = ScriptedForgotten()
    await notes.note(Forgetting("acme", ("ann",), 10.0))
    await notes.note(Forgetting("acme", ("ann",), 5.0))
    assert [each.at for each in await notes.all()] == [10.0]
