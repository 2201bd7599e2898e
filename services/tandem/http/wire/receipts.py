"""Receipts on the wire."""

from typing import Literal

from pydantic import Field

from tandem.domain.question import Message, Sampling
from tandem.domain.record import RecordedModel, RecordedPassage
from tandem.http.wire.passages import WireScores
from tandem.http.wire.text import Out
from tandem.pipeline.receipts import Listing, Receipt
from tandem.ports.receipts import Cursor

MAX_LISTED = 200
Texts = Literal["shown", "withheld", "not_kept"]
_TEXTS = (
    "shown; withheld: they are for who asked, and for admins of its groups; not_kept: the tenant's are not captured."
)
_SINCE_BEGAN = "Seconds since the question came."


class WireMessage(Out):
    """One turn."""

    role: str
    content: str


class WireAsker(Out):
    """Who asked."""

    tenant: str
    caller: str | None = Field(description="The key's or token's name.")
    user: str | None = Field(description="Whom the caller asked for; an alias where texts are not kept.")


class WireQuestion(Out):
    """The question; `standalone` is what was searched for, `queries` are all texts that were."""

    text: str | None
    chars: int
    conversation: list[WireMessage]
    standalone: str | None
    queries: list[str]


class WireReceiptPassage(Out):
    """A passage that the answer was to be made from, in their order; empty names are withheld."""

    chunk_id: str
    document_id: str
    title: str | None
    source: str
    start: int
    end: int
    page: int | None
    scores: WireScores
    flags: list[str]
    text: str | None


class WireReceiptRetrieval(Out):
    """What was searched, with what, and what was found."""

    asked: str = Field(description="The collection's name in the request.")
    collection: str = Field(description="The version that was searched, such as docs@3.")
    embedder: str
    sparse: str
    reranker: str | None
    relevance: float | None
    suspicious: int
    passages: list[WireReceiptPassage]


class WireReceiptPrompt(Out):
    """The template as name@version, and what went to the model; `chars` is its length."""

    template: str
    chars: int
    messages: list[WireMessage]


class WireReceiptModel(Out):
    """What spoke, and the way there."""

    id: str
    revision: str | None
    engine: str
    pool: str
    region: str
    reason: str
    attempts: int
    allowed_regions: list[str] | None = Field(description="What residency policies left; null: any configured pool.")


class WireReceiptCitation(Out):
    """`[number]` in the answer, and the span of the passage's text that supports it."""

    number: int
    chunk_id: str
    start: int
    end: int


class WireReceiptAnswer(Out):
    """The answer, as far as it came."""

    text: str | None
    chars: int
    citations: list[WireReceiptCitation]
    finish_reason: Literal["stop", "length"] | None
    cached: bool


class WireReceiptUsage(Out):
    """Tokens by the model's own count, and their price."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float


class WireSampling(Out):
    """How tokens were picked."""

    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    seed: int | None
    stop: list[str]
    json_schema: str | None


class WireStage(Out):
    """One step."""

    name: str
    began_s: float = Field(description=_SINCE_BEGAN)
    took_s: float


class WireTiming(Out):
    """How long it took; `first_token_s` is null when no text came."""

    duration_s: float
    first_token_s: float | None = Field(description=_SINCE_BEGAN)
    stages: list[WireStage]


class WireReceiptTrace(Out):
    """The request's span."""

    trace_id: str
    span_id: str


class WireReceiptError(Out):
    """Why there is no whole answer."""

    code: str
    message: str
    stage: str | None


class WireReceipt(Out):
    """Everything that one answer came from."""

    id: str
    request_id: str
    mode: Literal["online", "async", "batch"]
    outcome: str = Field(
        description="answered, abstained, ungrounded; or refused, failed, client_closed, cancelled: no whole answer."
    )
    began_at: float = Field(description="Seconds since 1970.")
    texts: Texts = Field(description=_TEXTS)
    release: str = Field(description="The release that answered; empty where none was named.")
    asker: WireAsker
    question: WireQuestion
    retrieval: WireReceiptRetrieval
    prompt: WireReceiptPrompt | None
    model: WireReceiptModel | None
    sampling: WireSampling
    answer: WireReceiptAnswer
    usage: WireReceiptUsage
    timing: WireTiming
    degraded: list[str]
    error: WireReceiptError | None
    trace: WireReceiptTrace | None
    scores: dict[str, float] = Field(description="Measures of the answer's quality.")
    redacted: dict[str, int] = Field(description="What was taken out of texts, by kind.")


class WireReceiptLine(Out):
    """A receipt in a list."""

    id: str
    began_at: float
    outcome: str
    texts: Texts = Field(description=_TEXTS)
    caller: str | None
    user: str | None
    question: str | None
    collection: str
    prompt: str | None
    model: str | None
    release: str
    duration_s: float
    first_token_s: float | None
    tokens: int
    cost: float


class WireReceipts(Out):
    """Newest first; `next_after` is what `after` takes for the next page, null when there is none."""

    data: list[WireReceiptLine]
    next_after: str | None


def wire_receipt(receipt: Receipt) -> WireReceipt:
    """A receipt."""
    record = receipt.record
    asker, question, found, answer, timing = (
        record.asker,
        record.question,
        record.retrieval,
        record.answer,
        record.timing,
    )
    prompt, error, trace = record.prompt, record.error, record.trace
    return WireReceipt(
        id=record.id,
        request_id=record.request_id,
        mode=record.mode,
        outcome=record.outcome,
        began_at=timing.began_at,
        texts=_texts(receipt),
        release=record.release,
        asker=WireAsker(tenant=asker.tenant, caller=asker.caller, user=asker.user),
        question=WireQuestion(
            text=question.text,
            chars=question.chars,
            conversation=_messages(question.conversation),
            standalone=question.standalone,
            queries=list(question.queries),
        ),
        retrieval=WireReceiptRetrieval(
            asked=found.asked,
            collection=found.collection,
            embedder=found.embedder,
            sparse=found.sparse,
            reranker=found.reranker,
            relevance=found.relevance,
            suspicious=found.suspicious,
            passages=[_passage(each) for each in found.passages],
        ),
        prompt=None
        if prompt is None
        else WireReceiptPrompt(template=prompt.template, chars=prompt.chars, messages=_messages(prompt.messages)),
        model=None if record.model is None else _model(record.model),
        sampling=_sampling(record.sampling),
        answer=WireReceiptAnswer(
            text=answer.text,
            chars=answer.chars,
            citations=[
                WireReceiptCitation(number=each.number, chunk_id=each.chunk_id, start=each.start, end=each.end)
                for each in answer.citations
            ],
            finish_reason=answer.finish_reason,
            cached=answer.cached,
        ),
        usage=WireReceiptUsage(
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            total_tokens=answer.prompt_tokens + answer.completion_tokens,
            cost=answer.cost,
        ),
        timing=WireTiming(
            duration_s=timing.duration_s,
            first_token_s=timing.first_token_s,
            stages=[WireStage(name=each.name, began_s=each.began_s, took_s=each.took_s) for each in timing.stages],
        ),
        degraded=list(record.degraded),
        error=None if error is None else WireReceiptError(code=error.code, message=error.message, stage=error.stage),
        trace=None if trace is None else WireReceiptTrace(trace_id=trace.trace_id, span_id=trace.span_id),
        scores=record.scores,
        redacted=record.redacted,
    )


def wire_receipts(listing: Listing) -> WireReceipts:
    """A page."""
    after = None if listing.next_after is None else written_cursor(listing.next_after)
    return WireReceipts(data=[_line(each) for each in listing.receipts], next_after=after)


def written_cursor(cursor: Cursor) -> str:
    """As text; `read_cursor` reads it."""
    return f"{cursor.began_at!r},{cursor.id}"


def read_cursor(text: str) -> Cursor:
    """Raises `ValueError` for what no page ended with."""
    began_at, comma, id_ = text.partition(",")
    if not comma:
        raise ValueError("no cursor")
    return Cursor(float(began_at), id_)


def _line(receipt: Receipt) -> WireReceiptLine:
    record = receipt.record
    answer = record.answer
    return WireReceiptLine(
        id=record.id,
        began_at=record.timing.began_at,
        outcome=record.outcome,
        texts=_texts(receipt),
        caller=record.asker.caller,
        user=record.asker.user,
        question=record.question.text,
        collection=record.retrieval.collection or record.retrieval.asked,
        prompt=record.prompt.template if record.prompt else None,
        model=record.model.id if record.model else None,
        release=record.release,
        duration_s=record.timing.duration_s,
        first_token_s=record.timing.first_token_s,
        tokens=answer.prompt_tokens + answer.completion_tokens,
        cost=answer.cost,
    )


def _texts(receipt: Receipt) -> Texts:
    if not receipt.record.content:
        return "not_kept"
    return "withheld" if receipt.withheld else "shown"


def _messages(messages: tuple[Message, ...]) -> list[WireMessage]:
    return [WireMessage(role=each.role, content=each.content) for each in messages]


def _passage(passage: RecordedPassage) -> WireReceiptPassage:
    scores = passage.scores
    return WireReceiptPassage(
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        title=passage.title,
        source=passage.source,
        start=passage.start,
        end=passage.end,
        page=passage.page,
        scores=WireScores(
            dense=scores.dense,
            sparse=scores.sparse,
            fused=scores.fused,
            rerank=scores.rerank,
            relevance=scores.relevance,
            marginal=scores.marginal,
        ),
        flags=list(passage.flags),
        text=passage.text,
    )


def _model(model: RecordedModel) -> WireReceiptModel:
    return WireReceiptModel(
        id=model.id,
        revision=model.revision,
        engine=model.engine,
        pool=model.pool,
        region=model.region,
        reason=model.reason,
        attempts=model.attempts,
        allowed_regions=None if model.allowed_regions is None else list(model.allowed_regions),
    )


def _sampling(sampling: Sampling) -> WireSampling:
    return WireSampling(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop=list(sampling.stop),
        json_schema=sampling.json_schema,
    )
