"""Receipts on the wire."""

from typing import Literal

from pydantic import Field

from tandem.http.wire.cursors import read_cursor
from tandem.http.wire.feedback import WireFeedback
from tandem.http.wire.passages import WireScores
from tandem.http.wire.text import Out
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


class WireReceiptOptions(Out):
    """What the request said about retrieval, as a request says it; null: nothing, so that what was configured held."""

    top_k: int | None
    rerank: bool | None
    expand: bool | None
    self_query: bool | None
    neighbours: int | str | None
    diversity: float | None
    filters: dict[str, list[str] | dict[str, float]] | None


class WireReceiptRetrieval(Out):
    """What was searched, with what, and what was found."""

    asked: str = Field(description="The collection's name in the request.")
    collection: str = Field(description="The version that was searched, such as docs@3.")
    embedder: str
    sparse: str
    reranker: str | None
    relevance: float | None
    suspicious: int
    options: WireReceiptOptions
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
    dataset: str | None = Field(
        default=None, description="The data set that it was trained on, with its version; null: not told."
    )
    training_run: str | None = Field(default=None, description="The run that made it.")
    base_model: str | None = Field(default=None, description="The model that was trained.")


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
    mode: Literal["online", "async", "batch", "stream"]
    outcome: str = Field(
        description="answered, abstained, ungrounded; or refused, failed, client_closed, cancelled: no whole answer."
    )
    began_at: float = Field(description="Seconds since 1970.")
    texts: Texts = Field(description=_TEXTS)
    release: str = Field(description="The release that answered; empty where the request chose for itself.")
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
    feedback: list[WireFeedback] = Field(description="What people thought of the answer.")


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


def receipt_cursor(text: str | None) -> Cursor | None:
    """Raises `InvalidRequest`."""
    if text is None:
        return None
    began_at, (receipt_id,) = read_cursor(text, 1)
    return Cursor(began_at, receipt_id)
