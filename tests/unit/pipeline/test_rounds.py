"""Rounds over a source: when they begin, what breaks them off, who does which share."""

import asyncio
from collections.abc import Iterable

from tandem.adapters.scripted.virtual_time import LoopClock, at_once
from tandem.adapters.workers.named import NamedCrew
from tandem.domain.document import IngestOutcome
from tandem.domain.errors import TandemError, UpstreamUnavailable
from tandem.ingestion.progress import SyncReport
from tandem.ingestion.shards import WHOLE, Shard
from tandem.pipeline.rounds import Alone, Crew, Followed, Rounds, Synchronised


class Notes:
    def __init__(self) -> None:
        self.rounds: list[tuple[float, str]] = []
        self.retries: list[float] = []

    def ended(self, source: str, outcome: str, seconds: float) -> None:
        self.rounds.append((LoopClock().monotonic_s(), outcome))

    def done(self, source: str, report: SyncReport) -> None: ...

    def failed(self, source: str, error: TandemError, again_s: float) -> None:
        self.retries.append(again_s)


class Changing:
    """A crew whose shares change at given times."""

    def __init__(self, shares: Iterable[tuple[float, Shard]]) -> None:
        self._shares = sorted(shares, reverse=True, key=lambda each: each[0])

    async def shard(self) -> Shard:
        return next(shard for since_s, shard in self._shares if LoopClock().monotonic_s() >= since_s)


class Work:
    """Takes so long; notes each share that was begun, and those that were done."""

    def __init__(self, takes_s: float, faults: Iterable[TandemError] = (), report: SyncReport | None = None) -> None:
        self._takes_s = takes_s
        self._faults = list(faults)
        self._report = report or SyncReport(())
        self.begun: list[tuple[float, str]] = []
        self.done: list[str] = []

    async def __call__(self, shard: Shard) -> SyncReport:
        self.begun.append((LoopClock().monotonic_s(), str(shard)))
        await asyncio.sleep(self._takes_s)
        if self._faults:
            raise self._faults.pop(0)
        self.done.append(str(shard))
        return self._report


def ran(work: Work, crew: Crew, *, every_s: float = 60.0, until_s: float = 200.0) -> Notes:
    notes = Notes()

    async def for_a_while() -> None:
        running = asyncio.ensure_future(Rounds(crew, notes, LoopClock()).run(Synchronised("wiki", every_s, work)))
        await asyncio.sleep(until_s)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    at_once(for_a_while())
    return notes


def test_a_round_begins_every_so_often() -> None:
    work = Work(3.0)
    assert [outcome for _, outcome in ran(work, Alone()).rounds] == ["complete"] * 4
    assert [at_s for at_s, _ in work.begun] == [0.0, 60.0, 120.0, 180.0]


def test_a_round_that_takes_longer_is_followed_at_once() -> None:
    work = Work(90.0)
    ran(work, Alone())
    assert [at_s for at_s, _ in work.begun] == [0.0, 90.0, 180.0]


def test_new_workers_break_a_round_off_and_share_it() -> None:
    work = Work(30.0)
    notes = ran(work, Changing([(0, WHOLE), (7, Shard(1, 2))]), until_s=59)
    assert work.begun == [(0.0, "0/1"), (10.0, "1/2")]
    assert work.done == ["1/2"]
    assert [outcome for _, outcome in notes.rounds] == ["interrupted", "complete"]


def test_what_a_lost_worker_left_is_taken_up_before_the_next_round_is_due() -> None:
    work = Work(3.0)
    ran(work, Changing([(0, Shard(0, 2)), (21, WHOLE)]), every_s=3600)
    assert work.begun == [(0.0, "0/2"), (23.0, "0/1")]


def test_failures_are_tried_again_ever_later() -> None:
    work = Work(0.0, [UpstreamUnavailable("away")] * 4)
    notes = ran(work, Alone(), every_s=3600)
    assert notes.retries == [5.0, 10.0, 20.0, 40.0]
    assert [at_s for at_s, _ in work.begun] == [0.0, 5.0, 15.0, 35.0, 75.0]
    assert [outcome for _, outcome in notes.rounds] == ["failed"] * 4 + ["complete"]


def test_documents_that_failed_make_it_partial() -> None:
    report = SyncReport((IngestOutcome("a.pdf", "failed", reason="damaged"),))
    assert ran(Work(0.0, report=report), Alone(), until_s=1).rounds == [(0.0, "partial")]


def test_a_stream_is_followed_again_where_it_broke_off() -> None:
    notes, begun = Notes(), list[float]()

    async def follow() -> None:
        begun.append(LoopClock().monotonic_s())
        await asyncio.sleep(2.0 if len(begun) < 3 else 400.0)
        raise UpstreamUnavailable("away")

    async def for_a_while() -> None:
        running = asyncio.ensure_future(Rounds(Alone(), notes, LoopClock()).stay(Followed("topic", follow)))
        await asyncio.sleep(440.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    at_once(for_a_while())
    # After a long time that went well the pauses are short again.
    assert begun == [0.0, 7.0, 19.0, 424.0]
    assert notes.retries == [5.0, 10.0, 5.0]


class Names:
    def __init__(self, *answers: frozenset[str] | OSError) -> None:
        self._answers = list(answers)

    async def __call__(self, name: str) -> frozenset[str]:
        assert name == "tandem-worker"
        answer = self._answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


async def shares(own: str, *answers: frozenset[str] | OSError) -> list[str]:
    crew = NamedCrew("tandem-worker", own, Names(*answers))
    return [str(await crew.shard()) for _ in answers]


async def test_each_worker_has_the_share_of_its_place_among_the_addresses() -> None:
    everybody = frozenset({"10.0.0.3", "10.0.0.1", "10.0.0.2"})
    assert [await shares(own, everybody) for own in sorted(everybody)] == [["0/3"], ["1/3"], ["2/3"]]


async def test_a_worker_that_is_not_ready_counts_itself() -> None:
    assert await shares("10.0.0.2", frozenset(), frozenset({"10.0.0.1"})) == ["0/1", "1/2"]


async def test_while_nothing_can_be_looked_up_the_last_share_stands() -> None:
    two = frozenset({"10.0.0.1", "10.0.0.2"})
    assert await shares("10.0.0.2", OSError("no answer"), two, OSError("no answer")) == ["0/1", "1/2", "1/2"]
