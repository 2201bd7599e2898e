"""What a user asks: the question, the conversation before it, and how to retrieve and answer."""

from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.filters import Filter
from tandem.domain.query import Wording

Role = Literal["system", "user", "assistant"]
# So many chunks before and after, or the whole section.
Reach = int | Literal["section"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """What the `tandem` body object may say about retrieval; None means the configured default.

    `neighbours`: what is added around each passage. `diversity`: how much variety among them counts, 0…1.
    `wording` is what a model made of the question already. `cache`: whether what was found or answered before will do.
    """

    collection: str = "docs"
    top_k: int | None = None
    filters: Filter = ()
    rerank: bool | None = None
    expand: bool | None = None
    self_query: bool | None = None
    neighbours: Reach | None = None
    diversity: float | None = None
    explain: bool = False
    cache: bool | None = None
    wording: Wording | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the model picks tokens; None leaves it to the engine (temperature 0 is greedy).

    `json_schema`, as JSON, is what the answer has to be; an engine that cannot hold to one refuses it or ignores it.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    json_schema: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """The last user message, the conversation before it (oldest first), and the options that came along.

    `model` is a model's own name, None for whichever answers; `user` whom the caller says it asks for; `conversation_id` the
    client's own name of the conversation.
    """

    text: str
    conversation: tuple[Message, ...] = ()
    retrieval: RetrievalOptions = field(default_factory=RetrievalOptions)
    sampling: Sampling = field(default_factory=Sampling)
    prompt: str | None = None
    model: str | None = None
    user: str | None = None
    conversation_id: str | None = None
