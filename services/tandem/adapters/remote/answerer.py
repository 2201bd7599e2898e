"""Whole answers of another Tandem."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import aiohttp
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tandem.adapters.remote.failures import failure
from tandem.adapters.remote.peer import json_body
from tandem.domain.answer import Answered, Citation, Found, Outcome
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import DeadlineExceeded, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import FinishReason, ModelCard, Usage
from tandem.domain.passage import Passage, Retrieval
from tandem.domain.question import Message, Question
from tandem.generation.sse import SseParser
from tandem.ports.answerer import WholeAnswer

_CONNECT_S = 5.0
_DONE = b"[DONE]"


class _In(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class InCitation(_In):
    """One passage that is cited."""

    number: int
    document_id: str
    title: str
    title_path: tuple[str, ...]
    source: str
    page: int | None = None
    text: str
    start: int
    end: int

    def citation(self) -> Citation:
        """The domain's; where in its document the passage stands is not told."""
        chunk = Chunk(self.document_id, 0, self.text, self.title_path, 0, len(self.text), 0, self.page)
        return Citation(self.number, Passage(chunk, self.title, self.source), self.start, self.end)


class InTandem(_In):
    """The `tandem` object of an answer."""

    outcome: Outcome
    model: str
    engine: str = ""
    prompt: str
    question: str
    relevance: float
    citations: tuple[InCitation, ...]
    degraded: tuple[str, ...]
    timings_s: dict[str, float]
    collection: str = ""
    cached: bool = False


class InUsage(_In):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int


class InDelta(_In):
    """A piece of the text."""

    content: str | None = None


class InChoice(_In):
    """There is one."""

    delta: InDelta = InDelta()
    finish_reason: Literal["stop", "length"] | None = None


class InChunk(_In):
    """One event of a streamed answer."""

    choices: tuple[InChoice, ...] = ()
    usage: InUsage | None = None
    tandem: InTandem | None = None


class RemoteAnswerer:
    """`ports/answerer.py` over a streamed `POST /v1/chat/completions`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout_s: float, now_s: Callable[[], float]) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._now_s = now_s

    async def answer(self, question: Question, context: RequestContext) -> WholeAnswer:
        """The answer. Its retrieval has no trace, and of its passages only those that are cited."""
        left_s = None if context.deadline_s is None else max(0.0, context.deadline_s - self._now_s())
        limit_s = self._timeout_s if left_s is None else min(left_s, self._timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                return await self._heard(question, context)
        except TimeoutError as error:
            raise DeadlineExceeded("answer") from error
        except aiohttp.ClientError as error:
            raise UpstreamUnavailable(
                f"No Tandem answers at {self._url}: {str(error) or type(error).__name__}.",
                hint="Is it running, and is the URL right?",
            ) from error

    async def _heard(self, question: Question, context: RequestContext) -> WholeAnswer:
        began_s = self._now_s()
        first_s: float | None = None
        said: list[str] = []
        told: InTandem | None = None
        usage = InUsage(prompt_tokens=0, completion_tokens=0)
        reason: FinishReason = "stop"
        async for chunk in self._chunks(_body(question), context):
            told = chunk.tandem or told
            usage = chunk.usage or usage
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                if choice.delta.content:
                    first_s = self._now_s() - began_s if first_s is None else first_s
                    said.append(choice.delta.content)
        if told is None:
            raise UpstreamFailed("The answer was cut short.", hint="Is it a Tandem of this version?")
        total_s = self._now_s() - began_s
        return _whole(told, "".join(said).strip(), usage, reason, total_s if first_s is None else first_s, total_s)

    async def _chunks(self, body: bytes, context: RequestContext) -> AsyncIterator[InChunk]:
        headers = {"content-type": "application/json", "x-request-id": context.request_id}
        async with self._session.post(
            f"{self._url}/v1/chat/completions", data=body, headers=headers, allow_redirects=False
        ) as reply:
            if reply.status != 200:
                raise failure(reply.status, await reply.read(), reply.headers.get("retry-after"))
            parser = SseParser()
            async for piece in reply.content.iter_any():
                for data in parser.feed(piece):
                    if data != _DONE:
                        yield _read(data)


def _read(data: bytes) -> InChunk:
    try:
        event = orjson.loads(data)
        if isinstance(event, dict) and "error" in event:
            raise failure(502, data, None)
        return InChunk.model_validate(event)
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise UpstreamFailed("The answer cannot be read.", hint="Is it a Tandem of this version?") from error


def _body(question: Question) -> bytes:
    options, sampling = question.retrieval, question.sampling
    tandem: dict[str, Any] = {
        "collection": options.collection,
        "top_k": options.top_k,
        "rerank": options.rerank,
        "expand": options.expand,
        "prompt": question.prompt,
    }
    turns = (*question.conversation, Message("user", question.text))
    return json_body(
        {
            "model": question.model or "tandem",
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            "tandem": {name: value for name, value in tandem.items() if value is not None},
        }
    )


def _whole(
    told: InTandem, text: str, usage: InUsage, reason: FinishReason, first_token_s: float, total_s: float
) -> WholeAnswer:
    citations = tuple(each.citation() for each in told.citations)
    retrieval = Retrieval(
        tuple(each.passage for each in citations), told.relevance, told.degraded, collection=told.collection
    )
    found = Found(retrieval, told.question, ModelCard(told.model, told.engine, 0), told.prompt)
    counted = Usage(usage.prompt_tokens, usage.completion_tokens)
    end = Answered(told.outcome, reason, counted, citations, told.degraded, told.timings_s, told.cached)
    return WholeAnswer(found, text, end, first_token_s, total_s)


@asynccontextmanager
async def remote_answerer(
    url: str, *, api_key: str | None = None, timeout_s: float = 300.0, now_s: Callable[[], float] = time.monotonic
) -> AsyncIterator[RemoteAnswerer]:
    """A gateway at `url`. A silence of the length of `timeout_s`, or an answer that takes longer, is a failure."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=timeout_s)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield RemoteAnswerer(session, url, timeout_s, now_s)
