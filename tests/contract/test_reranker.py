"""Every reranker: one score per passage, in order, failures in our own terms."""

import time

import pytest
from starlette.responses import JSONResponse, Response

from fakes.live import live
from fakes.tei import FakeTei
from tandem.adapters.rerankers.tei import tei_reranker
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import DeadlineExceeded, Overloaded, UpstreamFailed, UpstreamUnavailable
from tandem.domain.passage import Passage

CONTEXT = RequestContext("r-1")


def passages(*texts: str) -> list[Passage]:
    return [
        Passage(Chunk("guide.md", ordinal, text, ("Guide",), 0, len(text), 3), "Guide", "guide.md")
        for ordinal, text in enumerate(texts)
    ]


async def test_one_score_per_passage_in_their_order() -> None:
    async with live(FakeTei().app) as url, tei_reranker(url) as reranker:
        scores = await reranker.score("green tea", passages("black coffee", "green tea", "green apples"), CONTEXT)
    assert scores == [0.0, 1.0, 0.5]


async def test_no_passages_need_no_call() -> None:
    fake = FakeTei()
    async with live(fake.app) as url, tei_reranker(url) as reranker:
        assert await reranker.score("green tea", [], CONTEXT) == []
    assert fake.asked == []


async def test_asks_as_the_protocol_says() -> None:
    fake = FakeTei()
    async with live(fake.app) as url, tei_reranker(f"{url}/") as reranker:
        await reranker.score("tea?", passages("green tea"), CONTEXT)
    assert fake.asked == [{"query": "tea?", "texts": ["green tea"], "truncate": True}]


async def test_more_passages_than_the_server_takes_at_once() -> None:
    texts = [f"text {number}" for number in range(70)]
    async with live(FakeTei().app) as url, tei_reranker(url) as reranker:
        scores = await reranker.score("text 42", passages(*texts), CONTEXT)
    assert len(scores) == 70
    assert scores.index(1.0) == 42


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (JSONResponse({"error": "Model is overloaded", "error_type": "overloaded"}, status_code=429), Overloaded),
        (JSONResponse({"error": "not a reranker", "error_type": "Backend"}, status_code=424), UpstreamFailed),
        (Response("bad gateway", status_code=502), UpstreamUnavailable),
        (Response("<html>"), UpstreamFailed),
        (JSONResponse([{"index": 7, "score": 0.5}]), UpstreamFailed),
        (JSONResponse([]), UpstreamFailed),
        (Response(status_code=302, headers={"location": "http://127.0.0.1:9/"}), UpstreamFailed),
    ],
)
async def test_failures_in_our_own_terms(answer: Response, error: type[Exception]) -> None:
    async with live(FakeTei(answer=answer).app) as url, tei_reranker(url) as reranker:
        with pytest.raises(error):
            await reranker.score("tea", passages("green tea"), CONTEXT)


async def test_the_deadline_is_nearer_than_the_timeout() -> None:
    async with live(FakeTei(delay_s=1).app) as url, tei_reranker(url, timeout_s=30) as reranker:
        with pytest.raises(DeadlineExceeded):
            await reranker.score("tea", passages("green tea"), RequestContext("r", deadline_s=time.monotonic() + 0.1))


async def test_the_time_that_is_left_travels() -> None:
    fake = FakeTei()
    async with live(fake.app) as url, tei_reranker(url, now_s=lambda: 100.0) as reranker:
        await reranker.score("tea", passages("green tea"), RequestContext("r-1", deadline_s=101.5))
        await reranker.score("tea", passages("green tea"), CONTEXT)
    assert [each.get("x-request-timeout-ms") for each in fake.headers] == ["1500", None]
    assert fake.headers[0]["x-request-id"] == "r-1"


async def test_a_deadline_that_has_passed_costs_no_call() -> None:
    fake = FakeTei()
    async with live(fake.app) as url, tei_reranker(url, now_s=lambda: 100.0) as reranker:
        with pytest.raises(DeadlineExceeded):
            await reranker.score("tea", passages("green tea"), RequestContext("r", deadline_s=99.0))
    assert fake.asked == []


async def test_a_silent_server_is_given_up() -> None:
    async with live(FakeTei(delay_s=1).app) as url, tei_reranker(url, timeout_s=0.1) as reranker:
        with pytest.raises(UpstreamUnavailable):
            await reranker.score("tea", passages("green tea"), CONTEXT)


async def test_nobody_listens() -> None:
    async with tei_reranker("http://127.0.0.1:9") as reranker:
        with pytest.raises(UpstreamUnavailable) as caught:
            await reranker.score("tea", passages("green tea"), CONTEXT)
    assert caught.value.hint
