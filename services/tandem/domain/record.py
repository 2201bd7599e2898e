"""What is recorded of an answer: everything that it came from, and how it ended. Plain values, so that any store can keep it."""

from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.answer import Outcome
from tandem.domain.context import Mode
from tandem.domain.filters import Filter
from tandem.domain.generation import FinishReason
from tandem.domain.model_version import UNTOLD, Ancestry
from tandem.domain.passage import Scores, StageTime
from tandem.domain.question import Message, Reach, Sampling

# Beside the outcomes of an answer: `refused` for want of room or by policy, `failed` by a fault, `client_closed` when
# nobody waited any more, `cancelled` when it was ended from inside.
RecordedOutcome = Outcome | Literal["refused", "failed", "client_closed", "cancelled"]
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked: `caller` is the key's or token's name, `user` whom the caller says it asks for, None when it says nothing.

    `groups` are those of which the caller was a member then: what it found was found with them.
    """

    tenant: str
    caller: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedTrace:
    """The request's span, in hex; `parent_id` is the client's."""

    trace_id: str
    span_id: str
    parent_id: str | None = None
    sampled: bool = True


@dataclass(frozen=True, slots=True)
class RecordedQuestion:
    """`standalone` is what was searched for, `queries` all texts that were; None and empty: it did not come to that.

    `chars` is the question's length, told also where its text is not kept.
    """

    text: str | None
    conversation: tuple[Message, ...] = ()
    standalone: str | None = None
    queries: tuple[str, ...] = ()
    chars: int = 0


@dataclass(frozen=True, slots=True)
class RecordedPassage:
    """A passage that the answer was to be made from; `start` and `end` are its span in the document, in characters."""

    chunk_id: str
    document_id: str
    title: str | None
    source: str
    start: int
    end: int
    page: int | None
    scores: Scores
    flags: tuple[str, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedOptions:
    """What the request said about retrieval; None: nothing, so that what was configured held."""

    top_k: int | None = None
    rerank: bool | None = None
    expand: bool | None = None
    self_query: bool | None = None
    neighbours: Reach | None = None
    diversity: float | None = None
    filters: Filter = ()


@dataclass(frozen=True, slots=True)
class RecordedRetrieval:
    """`asked` is the collection's name in the request, `collection` the version that was searched, such as `docs@3`."""

    asked: str
    collection: str = ""
    embedder: str = ""
    sparse: str = ""
    reranker: str | None = None
    relevance: float | None = None
    suspicious: int = 0
    passages: tuple[RecordedPassage, ...] = ()
    options: RecordedOptions = field(default_factory=RecordedOptions)


@dataclass(frozen=True, slots=True)
class RecordedPrompt:
    """The template as `name@version`, and the messages that went to the model; `chars` is their length together."""

    template: str
    messages: tuple[Message, ...] = ()
    chars: int = 0


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """What spoke, and the way there; `allowed_regions` is what residency left (None: anywhere), `ancestry` what the model was
    made from.
    """

    id: str
    engine: str
    revision: str | None
    pool: str
    region: str
    reason: str
    attempts: int
    allowed_regions: tuple[str, ...] | None = None
    ancestry: Ancestry = UNTOLD


@dataclass(frozen=True, slots=True)
class RecordedCitation:
    """`[number]` in the answer, and the span of the passage's text that supports it."""

    number: int
    chunk_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """The text as far as it came; `tokens` are the model's own count where it told them, `cost` in the prices' currency."""

    text: str | None = None
    chars: int = 0
    citations: tuple[RecordedCitation, ...] = ()
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    cached: bool = False


@dataclass(frozen=True, slots=True)
class RecordedTiming:
    """`began_at` in seconds since 1970, the rest in seconds since then; `first_token_s` is None when none came."""

    began_at: float
    duration_s: float
    first_token_s: float | None = None
    stages: tuple[StageTime, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedError:
    """Why there is no whole answer: the error's code and message, and the stage it came from."""

    code: str
    message: str
    stage: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer, or the attempt at one.

    `content` tells whether texts are kept: without, every text in it is None or empty, and lengths stand for them.
    `redacted` counts what was taken out of them, by kind. `scores` are measures of the answer's quality, by name.
    """

    id: str
    request_id: str
    mode: Mode
    outcome: RecordedOutcome
    asker: Asker
    question: RecordedQuestion
    retrieval: RecordedRetrieval
    answer: RecordedAnswer
    timing: RecordedTiming
    sampling: Sampling = field(default_factory=Sampling)
    trace: RecordedTrace | None = None
    prompt: RecordedPrompt | None = None
    model: RecordedModel | None = None
    error: RecordedError | None = None
    degraded: tuple[str, ...] = ()
    release: str = ""
    content: bool = True
    redacted: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    schema: int = SCHEMA
