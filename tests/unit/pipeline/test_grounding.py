import asyncio

import pytest

from fakes.passages import passage
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.retriever import ScriptedRetriever
from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    StoreBusy,
    StoreMismatch,
    TandemError,
    UnknownCollection,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.domain.passage import Retrieval
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.grounding import Grounding, OnFailure, unavailable
from tandem.ports.retriever import Retriever

HARBOUR = passage("The harbour opens at seven.")
OPTIONS = RetrievalOptions()
ALWAYS = RequestContext("r")


class Failing:
    def __init__(self, error: TandemError) -> None:
        self._error = error

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        raise self._error


class Hanging:
    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        await asyncio.Event().wait()
        raise AssertionError


def grounding(inner: Retriever, on_failure: OnFailure = "fail", share: float = 0.5) -> Grounding:
    return Grounding(inner, ScriptedClock(monotonic_s=100.0), share=share, on_failure=on_failure)


async def test_retrieval_is_told_its_share_of_the_time() -> None:
    inner = ScriptedRetriever([HARBOUR])
    for deadline_s in (None, 110.0):
        found = await grounding(inner, share=0.4).retrieve("When?", OPTIONS, RequestContext("r", deadline_s=deadline_s))
        assert found.passages == (HARBOUR,)
        assert not unavailable(found)
    assert [context.deadline_s for _, _, context in inner.asked] == [None, pytest.approx(104.0)]


@pytest.mark.parametrize("left_s", [-1.0, 0.0, 0.04])
async def test_what_does_not_come_within_its_share_is_cut_off(left_s: float) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        await grounding(Hanging()).retrieve("When?", OPTIONS, RequestContext("r", deadline_s=100.0 + left_s))
    assert caught.value.stage == "retrieval"


FAILURES = [
    DeadlineExceeded("search"),
    Overloaded("full"),
    StoreBusy("held"),
    UpstreamFailed("broke"),
    UpstreamUnavailable("away", stage="retrieval"),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: error.code)
async def test_a_failure_is_told_or_done_without(error: TandemError) -> None:
    with pytest.raises(type(error)) as caught:
        await grounding(Failing(error)).retrieve("When?", OPTIONS, ALWAYS)
    assert caught.value is error
    found = await grounding(Failing(error), "answer_without").retrieve("When?", OPTIONS, ALWAYS)
    assert (found.passages, found.degraded) == ((), ("retrieval_unavailable",))
    assert unavailable(found)


async def test_a_retrieval_that_hangs_is_done_without_while_there_is_time_for_an_answer() -> None:
    context = RequestContext("r", deadline_s=100.06)
    found = await grounding(Hanging(), "answer_without").retrieve("When?", OPTIONS, context)
    assert unavailable(found)


@pytest.mark.parametrize(
    "error", [UnknownCollection("none"), InvalidRequest("no"), StoreMismatch("other")], ids=lambda error: error.code
)
async def test_a_wrong_request_is_told_whatever_the_setting(error: TandemError) -> None:
    with pytest.raises(type(error)):
        await grounding(Failing(error), "answer_without").retrieve("When?", OPTIONS, ALWAYS)


async def test_finding_nothing_is_no_failure() -> None:
    found = await grounding(ScriptedRetriever(), "answer_without").retrieve("When?", OPTIONS, ALWAYS)
    assert not unavailable(found)
