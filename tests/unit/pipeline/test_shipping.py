"""Shipping: what becomes of records at sinks that fail, refuse and hang. No time passes while these tests wait."""

import asyncio
from collections.abc import Callable, Sequence

from fakes.records import answer_record
from tandem.adapters.scripted.spool import ScriptedSpool
from tandem.adapters.scripted.virtual_time import at_once
from tandem.app.guarded import Guarded, kept_going
from tandem.domain.errors import DocumentRejected, Overloaded, UpstreamUnavailable
from tandem.domain.record import AnswerRecord
from tandem.pipeline.shipping import Pace, Shipping, left
from tandem.ports.spool import Batch

HOUR_S = 3600.0


class Counts:
    """`ShippingMeter` that keeps what it is told."""

    def __init__(self) -> None:
        self.taken = 0
        self.failures: list[str] = []
        self.put_aside = 0

    def shipped(self, sink: str, records: int) -> None:
        self.taken += records

    def ship_failed(self, sink: str, reason: str) -> None:
        self.failures.append(reason)

    def refused(self, sink: str) -> None:
        self.put_aside += 1


class Plain:
    """A sink that keeps the ids; `fault` may raise instead."""

    def __init__(self, name: str = "plain", fault: Callable[[Sequence[AnswerRecord]], None] = lambda _: None) -> None:
        self.name = name
        self.ids: list[str] = []
        self.batches: list[int] = []
        self.tries_at_s: list[float] = []
        self._fault = fault

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        self.tries_at_s.append(asyncio.get_running_loop().time())
        self._fault(records)
        self.batches.append(len(records))
        self.ids += [record.id for record in records]


class Hanging:
    """A sink that never answers."""

    name = "hanging"

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        await asyncio.Event().wait()


def records(number: int, first: int = 0) -> list[AnswerRecord]:
    return [answer_record(f"rcpt-{n}") for n in range(first, first + number)]


async def leave(shipping: Shipping, task: asyncio.Task[None], timeout_s: float = 5.0) -> None:
    await left([shipping], [task], timeout_s)


def test_everything_is_shipped_in_order_and_not_more_at_a_time_than_asked_for() -> None:
    async def work() -> None:
        spool, sink, counts = ScriptedSpool(), Plain(), Counts()
        spool.put(*records(25))
        shipping = Shipping(spool, sink, counts, Pace(most=10))
        task = asyncio.create_task(shipping.run())
        await asyncio.sleep(1)
        assert sink.batches == [10, 10, 5]
        spool.put(*records(1, 25))
        await asyncio.sleep(1)
        assert sink.ids == [f"rcpt-{n}" for n in range(26)]
        assert counts.taken == spool.reached("plain") == 26
        await leave(shipping, task)
        assert task.done()

    at_once(work())


def test_a_collector_that_is_away_for_an_hour_gets_all_of_it_afterwards() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()

        def away(_: Sequence[AnswerRecord]) -> None:
            if loop.time() < HOUR_S:
                raise UpstreamUnavailable("nobody listens")

        spool, sink, counts = ScriptedSpool(), Plain(fault=away), Counts()
        shipping = Shipping(spool, sink, counts, Pace(most=100, retry_s=0.5, longest_retry_s=60), chance=lambda: 1.0)
        task = asyncio.create_task(shipping.run())
        for minute in range(60):
            spool.put(*records(10, 10 * minute))
            await asyncio.sleep(60)
        await asyncio.sleep(60)
        assert sink.ids == [f"rcpt-{n}" for n in range(600)]
        # Backing off: once a minute in the end, rather than without a pause.
        assert 60 <= len(counts.failures) <= 70
        assert set(counts.failures) == {"upstream_unavailable"}
        await leave(shipping, task)

    at_once(work())


def test_pauses_double_up_to_the_longest_and_chance_takes_up_to_half_of_each() -> None:
    async def work(chance: float) -> list[float]:
        def away(_: Sequence[AnswerRecord]) -> None:
            raise UpstreamUnavailable("nobody listens")

        spool, sink = ScriptedSpool(), Plain(fault=away)
        spool.put(*records(1))
        shipping = Shipping(spool, sink, Counts(), Pace(retry_s=1, longest_retry_s=8), chance=lambda: chance)
        task = asyncio.create_task(shipping.run())
        await asyncio.sleep(30)
        await leave(shipping, task)
        return [round(b - a, 3) for a, b in zip(sink.tries_at_s, sink.tries_at_s[1:], strict=False)][:5]

    assert at_once(work(1.0)) == [1, 2, 4, 8, 8]
    assert at_once(work(0.0)) == [0.5, 1, 2, 4, 4]


def test_a_sink_that_names_a_time_is_not_asked_before_it() -> None:
    async def work() -> None:
        def full(_: Sequence[AnswerRecord]) -> None:
            if len(sink.tries_at_s) == 1:
                raise Overloaded("full", retry_after_s=90)

        sink = Plain(fault=full)
        spool = ScriptedSpool()
        spool.put(*records(3))
        shipping = Shipping(spool, sink, Counts(), Pace(retry_s=0.5))
        task = asyncio.create_task(shipping.run())
        await asyncio.sleep(200)
        assert sink.tries_at_s == [0, 90]
        assert len(sink.ids) == 3
        await leave(shipping, task)

    at_once(work())


def test_what_a_sink_refuses_for_good_is_found_put_aside_and_the_rest_arrives() -> None:
    async def work() -> None:
        def picky(some: Sequence[AnswerRecord]) -> None:
            if any(record.id in ("rcpt-3", "rcpt-11") for record in some):
                raise DocumentRejected("its title is too long", reason="invalid")

        spool, sink, counts = ScriptedSpool(), Plain(fault=picky), Counts()
        spool.put(*records(16))
        shipping = Shipping(spool, sink, counts)
        task = asyncio.create_task(shipping.run())
        await asyncio.sleep(1)
        assert [(name, record.id, why) for name, record, why in spool.refused] == [
            ("plain", "rcpt-3", "its title is too long"),
            ("plain", "rcpt-11", "its title is too long"),
        ]
        assert sink.ids == [f"rcpt-{n}" for n in range(16) if n not in (3, 11)]
        assert (counts.put_aside, spool.reached("plain")) == (2, 16)
        await leave(shipping, task)

    at_once(work())


def test_a_record_that_makes_a_sink_stumble_each_time_does_not_hold_up_the_others() -> None:
    async def work() -> None:
        def stumbling(some: Sequence[AnswerRecord]) -> None:
            if any(record.id == "rcpt-2" for record in some):
                raise KeyError("title")

        spool, sink, counts = ScriptedSpool(), Plain(fault=stumbling), Counts()
        spool.put(*records(8))
        shipping = Shipping(spool, Guarded(sink), counts)
        task = asyncio.create_task(kept_going(shipping))
        await asyncio.sleep(HOUR_S)
        assert [record.id for _, record, _ in spool.refused] == ["rcpt-2"]
        assert sorted(sink.ids) == sorted(f"rcpt-{n}" for n in range(8) if n != 2)
        await leave(shipping, task)

    at_once(work())


def test_a_hanging_sink_holds_up_neither_another_one_nor_the_end() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        spool, sink, counts = ScriptedSpool(), Plain(), Counts()
        spool.put(*records(5))
        ships = [Shipping(spool, each, counts, Pace(timeout_s=30)) for each in (Hanging(), sink)]
        tasks = [asyncio.create_task(shipping.run()) for shipping in ships]
        await asyncio.sleep(100)
        assert len(sink.ids) == 5
        assert counts.failures.count("deadline_exceeded") == 3
        began_s = loop.time()
        await left(ships, tasks, 5.0)
        assert loop.time() - began_s <= 5.5
        assert all(task.done() for task in tasks)
        assert spool.reached("hanging") == 0

    at_once(work())


def test_the_end_ships_what_there_is_and_does_not_wait_for_a_sink_that_is_away() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()

        def away(_: Sequence[AnswerRecord]) -> None:
            raise UpstreamUnavailable("nobody listens")

        spool, near, far = ScriptedSpool(), Plain("near"), Plain("far", away)
        ships = [Shipping(spool, each, Counts(), Pace(most=2)) for each in (near, far)]
        tasks = [asyncio.create_task(shipping.run()) for shipping in ships]
        await asyncio.sleep(0)
        spool.put(*records(7))
        began_s = loop.time()
        await left(ships, tasks, 5.0)
        assert near.ids == [f"rcpt-{n}" for n in range(7)]
        assert len(far.tries_at_s) == 1
        assert loop.time() == began_s

    at_once(work())


def test_a_sink_may_wait_for_many_but_not_for_ever_and_not_at_the_end() -> None:
    async def work() -> None:
        spool, sink = ScriptedSpool(), Plain()
        shipping = Shipping(spool, sink, Counts(), Pace(most=10, linger_s=60))
        task = asyncio.create_task(shipping.run())
        for n in range(13):
            spool.put(*records(1, n))
            await asyncio.sleep(1)
        assert sink.batches == [10]
        await asyncio.sleep(60)
        assert sink.batches == [10, 3]
        spool.put(*records(1, 13))
        await asyncio.sleep(1)
        assert sink.batches == [10, 3]
        await leave(shipping, task)
        assert sink.batches == [10, 3, 1]

    at_once(work())


def test_a_sink_that_waits_for_many_goes_on_at_once_while_batches_are_cut_for_their_size() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        spool, sink = ScriptedSpool(at_once=3), Plain()
        shipping = Shipping(spool, sink, Counts(), Pace(most=10, linger_s=60))
        task = asyncio.create_task(shipping.run())
        began_s = loop.time()
        spool.put(*records(10))
        await asyncio.sleep(1)
        assert sink.batches == [3, 3, 3, 1]
        spool.put(*records(1, 10))
        await asyncio.sleep(1)
        assert sink.batches == [3, 3, 3, 1]
        await asyncio.sleep(60)
        assert sink.batches == [3, 3, 3, 1, 1]
        assert [at_s - began_s for at_s in sink.tries_at_s[:4]] == [0.0] * 4
        await leave(shipping, task)

    at_once(work())


def test_what_cannot_be_read_is_passed_over() -> None:
    async def work() -> None:
        spool, sink = ScriptedSpool(), Plain()
        spool.put(None, None, None, *records(1), None)
        shipping = Shipping(spool, sink, Counts(), Pace(most=2))
        task = asyncio.create_task(shipping.run())
        await asyncio.sleep(1)
        assert sink.ids == ["rcpt-0"]
        assert spool.reached("plain") == 5
        await leave(shipping, task)

    at_once(work())


def test_a_fault_that_nobody_foresaw_in_the_spool_does_not_end_shipping() -> None:
    class Faulty(ScriptedSpool):
        async def read(self, sink: str, *, most: int) -> Batch:
            if asyncio.get_running_loop().time() < 20:
                raise KeyError("unforeseen")
            return await super().read(sink, most=most)

    async def work() -> None:
        spool, sink = Faulty(), Plain()
        spool.put(*records(1))
        shipping = Shipping(spool, sink, Counts())
        task = asyncio.create_task(kept_going(shipping))
        await asyncio.sleep(100)
        assert sink.ids == ["rcpt-0"]
        await leave(shipping, task)

    at_once(work())


def test_a_spool_that_cannot_be_read_is_asked_again() -> None:
    class Faulty(ScriptedSpool):
        async def read(self, sink: str, *, most: int) -> Batch:
            if asyncio.get_running_loop().time() < 20:
                raise UpstreamUnavailable("too many open files")
            return await super().read(sink, most=most)

    async def work() -> None:
        spool, sink = Faulty(), Plain()
        spool.put(*records(1))
        shipping = Shipping(spool, sink, Counts())
        task = asyncio.create_task(shipping.run())
        await asyncio.sleep(100)
        assert sink.ids == ["rcpt-0"]
        await leave(shipping, task)

    at_once(work())
