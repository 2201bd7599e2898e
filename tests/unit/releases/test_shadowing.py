import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from fakes.answers import ScriptedAnswers
from fakes.records import answer_record
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.answer import AnswerEvent
from tandem.domain.context import RequestContext
from tandem.domain.errors import NotServed, Preempted, TandemError, UpstreamFailed
from tandem.domain.question import Question
from tandem.domain.record import AnswerRecord
from tandem.domain.release import Book, Release
from tandem.pipeline.releases.shadowing import Heard, Shadowing
from tandem.pipeline.releases.unkept import UNKEPT_RELEASES
from tandem.pipeline.whole import Answers

TRIED = Release("second", prompt="answer@2", mode="shadow")
CONTEXT = RequestContext("r", "acme", user="page", answer_id="rcpt-1", groups=("hr",))
ASKED = Question("When does it open?")


class Counted:
    def __init__(self) -> None:
        self.results: Counter[str] = Counter()

    def shadowed(self, how: str) -> None:
        self.results[how] += 1


class Raises:
    def __init__(self, error: TandemError) -> None:
        self.error = error

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        del question, context
        raise self.error
        yield


def shadows(answers: Answers) -> tuple[Shadowing, Counted]:
    counted = Counted()
    return Shadowing(lambda _: answers, ScriptedClock(), counted, timeout_s=30.0), counted


async def settled(counted: Counted, count: int) -> None:
    while counted.results.total() < count:
        await asyncio.sleep(0)


async def test_it_is_asked_in_the_background_for_the_same_eyes() -> None:
    answers = ScriptedAnswers()
    shadowing, counted = shadows(answers)
    shadowing.begin(TRIED, ASKED, CONTEXT)
    await settled(counted, 1)
    ((question, context),) = answers.asked
    assert counted.results == {"answered": 1}
    assert (context.mode, context.tenant, context.groups) == ("async", "acme", ("hr",))
    # It has no receipt, takes no quota, and nothing that was kept will do.
    assert (context.answer_id, context.standing, question.retrieval.cache) == ("", None, False)
    assert context.deadline_s == pytest.approx(ScriptedClock().monotonic_s() + 30.0)


@pytest.mark.parametrize(("error", "how"), [(Preempted("Others wait."), "no_room"), (UpstreamFailed("No."), "failed")])
async def test_what_becomes_of_it_is_counted(error: TandemError, how: str) -> None:
    shadowing, counted = shadows(Raises(error))
    shadowing.begin(TRIED, ASKED, CONTEXT)
    await settled(counted, 1)
    assert counted.results == {how: 1}


async def test_only_so_many_at_a_time_and_none_is_left_behind() -> None:
    answers = ScriptedAnswers([asyncio.Event()])
    shadowing, counted = shadows(answers)
    for _ in range(6):
        shadowing.begin(TRIED, ASKED, CONTEXT)
    await settled(counted, 2)
    assert counted.results == {"no_room": 2}
    await asyncio.sleep(0)
    await shadowing.stop()
    assert answers.cancelled


async def test_what_is_heard_is_measured_and_kept_nowhere() -> None:
    told: list[AnswerRecord] = []

    class Over:
        key, size = ("acme", ""), 1

        def record(self) -> AnswerRecord:
            return answer_record(release="second")

    heard = Heard(lambda record: replace(record, scores={"groundedness": 1.0}), told.append)
    heard.take(Over())
    await heard.settled()
    assert [record.scores for record in told] == [{"groundedness": 1.0}]


async def test_what_cannot_be_measured_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        key, size = ("acme", ""), 1

        def record(self) -> AnswerRecord:
            raise ValueError

    heard = Heard(lambda record: record, lambda _: None)
    heard.take(Broken())
    await heard.settled()
    assert "cannot be measured" in caplog.text


async def test_without_a_place_they_say_what_is_missing() -> None:
    for call in (
        UNKEPT_RELEASES.book(),
        UNKEPT_RELEASES.write(Book()),
        UNKEPT_RELEASES.add("r", {}),
        UNKEPT_RELEASES.tallies("r"),
    ):
        with pytest.raises(NotServed) as refused:
            await call
        assert "state.url" in (refused.value.hint or "")
