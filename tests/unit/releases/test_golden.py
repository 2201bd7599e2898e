import pytest

from fakes.answers import SCRIPT, ScriptedAnswers
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded, TandemError
from tandem.domain.lineage import GoldenQuestion
from tandem.domain.release import Release
from tandem.pipeline.releases.golden import GoldenAsking

ASKED = [GoldenQuestion("When does it open?", ("harbour.md",))]
TRIED = Release("second", prompt="answer@2")


@pytest.mark.parametrize(("error", "times"), [(Overloaded("Full."), 5), (DeadlineExceeded("generation"), 1)])
async def test_without_room_or_time_nothing_counts_as_wrong(
    error: TandemError, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ScriptedAnswers([error])
    monkeypatch.setattr("tandem.pipeline.releases.golden._PAUSE_S", 0.0)
    with pytest.raises(type(error)):
        await GoldenAsking(lambda _: answers, "docs").compare(TRIED, None, ASKED, RequestContext("r"))
    assert len(answers.asked) == times


async def test_who_asked_is_not_told_how_far_its_questions_have_come() -> None:
    answers, context = ScriptedAnswers(SCRIPT), RequestContext("r", deadline_s=30.0, answer_id="rcpt-1")
    await GoldenAsking(lambda _: answers, "docs").compare(TRIED, None, ASKED, context)
    for _, asked in answers.asked:
        assert asked.progress is not context.progress and asked.answer_id == ""
        # As much time as whoever asked for it has.
        assert (asked.mode, asked.deadline_s) == ("async", 30.0)
