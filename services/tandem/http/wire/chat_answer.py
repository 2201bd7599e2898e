"""An answer as OpenAI's clients read it, whole or in chunks, with Tandem's own object added."""

from dataclasses import dataclass
from typing import Literal

import orjson
from pydantic import Field

from tandem.domain.answer import Answered, Citation, Found
from tandem.domain.generation import Usage
from tandem.domain.route import Route
from tandem.http.wire.passages import WireScores, WireTrace, wire_scores, wire_trace
from tandem.http.wire.text import Out, absent, seconds


class WireCitation(Out):
    """`[number]` in the answer: the passage's text, and the span of it (characters) that supports the answer."""

    number: int
    chunk_id: str
    document_id: str
    title: str
    title_path: list[str]
    source: str
    page: int | None
    text: str
    start: int
    end: int
    quote: str
    scores: WireScores


class WireRoute(Out):
    """Which way the question took to a model: where its prompt went, and why there."""

    pool: str
    region: str
    reason: str = Field(
        description="preferred, sticky, or why the pools before were passed: queue_wait, down, schedule, cap, full, failed."
    )
    attempts: int = Field(description="Servers asked.")
    allowed_regions: list[str] | None = Field(description="What residency policies left; null: any configured pool.")


class TandemAnswer(Out):
    """What Tandem adds to an answer."""

    receipt_id: str
    outcome: Literal["answered", "abstained", "ungrounded"] = Field(
        description="abstained: the documents do not tell. ungrounded: they could not be searched, the model answered by itself."
    )
    model: str
    engine: str
    prompt: str
    question: str = Field(description="The question as it was searched for, standing alone.")
    relevance: float
    citations: list[WireCitation]
    degraded: list[str]
    cached: bool = Field(default=False, description="True when the answer was kept from an equal request before.")
    timings_s: dict[str, float]
    route: WireRoute
    explain: WireTrace | None = Field(default=None, exclude_if=absent)


class AnswerMessage(Out):
    """The assistant's turn."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(Out):
    """There is one."""

    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class WireUsage(Out):
    """Token counts by the engine's own tokenizer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Out):
    """Answer of `POST /v1/chat/completions` without `stream`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: WireUsage
    tandem: TandemAnswer


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every chunk of one answer repeats. `key` is the answer's own part of its ids."""

    key: str
    created: int

    @property
    def id(self) -> str:
        """OpenAI's id of it."""
        return f"chatcmpl-{self.key}"

    @property
    def receipt(self) -> str:
        """The id that it is recorded under."""
        return f"rcpt-{self.key}"


def whole_answer(stamp: Stamp, found: Found, text: str, end: Answered) -> ChatCompletion:
    """The answer in one piece."""
    return ChatCompletion(
        id=stamp.id,
        created=stamp.created,
        model=found.model.id,
        choices=[Choice(message=AnswerMessage(content=text), finish_reason=end.finish_reason)],
        usage=_usage(end.usage),
        tandem=_tandem(stamp, found, end),
    )


class Chunks:
    """The SSE events of one streamed answer. What stays the same is encoded once: tokens are spliced in."""

    def __init__(self, stamp: Stamp, found: Found, *, usage: bool) -> None:
        self._stamp = stamp
        self._found = found
        head = orjson.dumps(
            {"id": stamp.id, "object": "chat.completion.chunk", "created": stamp.created, "model": found.model.id}
        )
        self._head = b"data: " + head[:-1] + b',"choices":['
        # With include_usage every chunk has the field, null until the last one.
        self._tail = b'],"usage":null}\n\n' if usage else b"]}\n\n"
        self._before = self._head + b'{"index":0,"delta":{"content":'
        self._after = b'},"finish_reason":null}' + self._tail

    def opening(self) -> bytes:
        """The role, before any text."""
        return self._head + b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}' + self._tail

    def text(self, piece: str) -> bytes:
        """Some text."""
        return self._before + orjson.dumps(piece) + self._after

    def ending(self, end: Answered) -> bytes:
        """The finish reason, with Tandem's object."""
        choice = b'{"index":0,"delta":{},"finish_reason":"' + end.finish_reason.encode() + b'"}'
        tandem = _tandem(self._stamp, self._found, end).model_dump_json().encode()
        return self._head + choice + self._tail[:-3] + b',"tandem":' + tandem + b"}\n\n"

    def usage(self, end: Answered) -> bytes:
        """The token counts, without choices."""
        return self._head + b'],"usage":' + _usage(end.usage).model_dump_json().encode() + b"}\n\n"


DONE = b"data: [DONE]\n\n"


def _usage(usage: Usage) -> WireUsage:
    return WireUsage(
        prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens, total_tokens=usage.total_tokens
    )


def _tandem(stamp: Stamp, found: Found, end: Answered) -> TandemAnswer:
    trace = found.retrieval.trace
    return TandemAnswer(
        receipt_id=stamp.receipt,
        outcome=end.outcome,
        model=found.model.id,
        engine=found.model.engine,
        prompt=found.prompt,
        question=found.question,
        relevance=found.retrieval.relevance,
        citations=[_citation(c) for c in end.citations],
        degraded=list(end.degraded),
        cached=end.cached,
        timings_s=seconds(end.timings_s),
        route=_route(found.route),
        explain=None if trace is None else wire_trace(trace),
    )


def _route(route: Route) -> WireRoute:
    return WireRoute(
        pool=route.pool,
        region=route.region,
        reason=route.reason,
        attempts=route.attempts,
        allowed_regions=None if route.regions is None else list(route.regions),
    )


def _citation(citation: Citation) -> WireCitation:
    passage, chunk = citation.passage, citation.passage.chunk
    return WireCitation(
        number=citation.number,
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        title=passage.title,
        title_path=list(chunk.title_path),
        source=passage.source,
        page=chunk.page,
        text=chunk.text,
        start=citation.start,
        end=citation.end,
        quote=chunk.text[citation.start : citation.end],
        scores=wire_scores(passage.scores),
    )
