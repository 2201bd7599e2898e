"""What a whole answer tells, be it of this process or of a Tandem behind a socket."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest
from starlette.types import Receive, Scope, Send

from fakes.answers import CARD, FOUND, PASSAGE, SCRIPT, ScriptedAnswers, Step
from fakes.api import Api
from fakes.live import live
from tandem.adapters.remote.answerer import remote_answerer
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.admission.keys import Key
from tandem.domain.answer import Answered
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import Token, Usage
from tandem.domain.question import Message, Question, RetrievalOptions, Sampling
from tandem.pipeline.evaluation.whole import WholeAnswers
from tandem.ports.answerer import Answerer

CONTEXT = RequestContext("r")
ABSTAINED = (FOUND, Token("I don't know."), Answered("abstained", "stop", Usage(0, 0), degraded=("rerank_skipped",)))
Opener = Callable[[ScriptedAnswers], AbstractAsyncContextManager[Answerer]]


@asynccontextmanager
async def here(answers: ScriptedAnswers) -> AsyncIterator[Answerer]:
    yield WholeAnswers(answers, ScriptedClock())


@asynccontextmanager
async def there(answers: ScriptedAnswers) -> AsyncIterator[Answerer]:
    async with live(Api(answers=answers).app) as url, remote_answerer(url, timeout_s=5) as answerer:
        yield answerer


@pytest.fixture(params=[here, there])
def opened(request: pytest.FixtureRequest) -> Opener:
    opener: Opener = request.param
    return opener


async def test_an_answer_comes_whole_with_what_it_cites(opened: Opener) -> None:
    async with opened(ScriptedAnswers()) as answerer:
        found = await answerer.answer(Question("When does it open?"), CONTEXT)
    assert found.text == "At seven “h” 🚢 [1]."
    assert (found.end.outcome, found.end.finish_reason, found.end.usage) == ("answered", "stop", Usage(12, 4))
    (citation,) = found.end.citations
    assert (citation.number, citation.start, citation.end) == (1, 0, 27)
    assert citation.passage.chunk.text == PASSAGE.chunk.text
    assert citation.passage.chunk.document_id == PASSAGE.chunk.document_id
    assert (found.found.model.id, found.found.prompt) == (CARD.id, "answer@1")
    assert found.found.retrieval.relevance == 0.9
    assert 0 <= found.first_token_s <= found.total_s


async def test_an_abstention_is_told_as_one(opened: Opener) -> None:
    async with opened(ScriptedAnswers(ABSTAINED)) as answerer:
        found = await answerer.answer(Question("When?"), CONTEXT)
    assert (found.end.outcome, found.end.citations, found.end.degraded) == ("abstained", (), ("rerank_skipped",))


@pytest.mark.parametrize(
    "error", [Overloaded("full", retry_after_s=7), UpstreamUnavailable("away"), UpstreamFailed("no")]
)
@pytest.mark.parametrize("told", [0, 3])
async def test_a_failure_is_the_one_it_was_also_in_the_middle(opened: Opener, error: TandemError, told: int) -> None:
    steps: tuple[Step, ...] = (*SCRIPT[:told], error)
    async with opened(ScriptedAnswers(steps)) as answerer:
        with pytest.raises(type(error)) as caught:
            await answerer.answer(Question("When?"), CONTEXT)
    if isinstance(caught.value, Overloaded) and not told:
        assert caught.value.retry_after_s == 7


async def test_an_answer_without_an_end_is_a_failure(opened: Opener) -> None:
    async with opened(ScriptedAnswers(SCRIPT[:3])) as answerer:
        with pytest.raises(TandemError):
            await answerer.answer(Question("When?"), CONTEXT)


async def test_what_was_asked_arrives() -> None:
    answers = ScriptedAnswers()
    question = Question(
        "When?",
        (Message("user", "Hello"), Message("assistant", "Hi")),
        RetrievalOptions(collection="ports", top_k=3, rerank=False),
        Sampling(max_tokens=9, temperature=0.5, seed=7),
        prompt="answer@1",
    )
    async with there(answers) as answerer:
        await answerer.answer(question, CONTEXT)
    ((heard, context),) = answers.asked
    assert heard == question
    assert context.request_id == CONTEXT.request_id


async def test_the_key_is_shown_and_a_refusal_told() -> None:
    key = Key("someone", hashlib.sha256(b"secret").hexdigest(), "t")
    async with live(Api(keys=[key]).app) as url:
        async with remote_answerer(url, api_key="secret") as answerer:
            assert (await answerer.answer(Question("When?"), CONTEXT)).text
        async with remote_answerer(url, api_key="wrong") as answerer:
            with pytest.raises(TandemError, match="refuses the key"):
                await answerer.answer(Question("When?"), CONTEXT)


async def test_nobody_there_and_nobody_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with remote_answerer(f"http://127.0.0.1:{port}") as answerer:
        with pytest.raises(UpstreamUnavailable, match="No Tandem answers"):
            await answerer.answer(Question("When?"), CONTEXT)
    never = asyncio.Event()
    async with live(Api(answers=ScriptedAnswers((FOUND, never))).app) as url:
        async with remote_answerer(url, timeout_s=0.1) as answerer:
            with pytest.raises(DeadlineExceeded):
                await answerer.answer(Question("When?"), CONTEXT)
        async with remote_answerer(url, now_s=lambda: 10.0) as answerer:
            with pytest.raises(DeadlineExceeded):
                await answerer.answer(Question("When?"), replace(CONTEXT, deadline_s=9.0))
        never.set()


async def test_something_else_behind_the_address_is_told() -> None:
    async with live(_chatter) as url, remote_answerer(url) as answerer:
        with pytest.raises(UpstreamFailed, match=r"cannot be read|cut short"):
            await answerer.answer(Question("When?"), CONTEXT)


async def _chatter(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: [1, 2]\n\ndata: [DONE]\n\n"})
