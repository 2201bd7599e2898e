"""A chat request as OpenAI's clients send it, and the question in it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tandem.domain.errors import InvalidRequest, UnsupportedContent
from tandem.domain.question import Message, Question, Role, Sampling
from tandem.http.errors import misfit
from tandem.http.wire.options import TandemOptions
from tandem.http.wire.text import MAX_QUESTION_CHARS, Text

MAX_MESSAGES = 256
# Says nothing where a request is kept to be answered later: nobody reads along, and a format may be nested without end.
NOT_KEPT = frozenset({"stream", "stream_options", "response_format"})
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class _Theirs(BaseModel):
    """An object of OpenAI's: exact types, fields that we do not know are ignored, as OpenAI does."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class ContentPart(_Theirs):
    """A part of a message; only `type: text` is read."""

    type: str
    text: Text | None = None


class ChatMessage(_Theirs):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[ContentPart] | None = None


class StreamOptions(_Theirs):
    """How to stream."""

    include_usage: bool | None = None


User = Annotated[Text, Field(max_length=256)]
Stop = Annotated[Text, Field(min_length=1, max_length=256)]


class ChatRequest(_Theirs):
    """Body of `POST /v1/chat/completions`: the last user message is the question, the rest the conversation.

    At most 256 messages, a question of at most 32,000 characters.
    """

    model: Text = Field(default="tandem", description="The served model's id, or its alias tandem.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    user: User | None = Field(default=None, description="Whom you ask for; recorded with the answer.")
    safety_identifier: User | None = Field(default=None, description="OpenAI's newer name of user.")
    tandem: TandemOptions | None = Field(default=None, description="How to retrieve; unknown fields are errors.")
    # Fields that would change what the answer means, so that they are refused rather than ignored.
    n: int | None = Field(default=None, description="Only 1.")
    tools: list[Any] | None = Field(default=None, description="Not supported.")
    functions: list[Any] | None = Field(default=None, description="Not supported.")
    response_format: dict[str, Any] | None = Field(default=None, description='Only {"type": "text"}.')
    logprobs: bool | None = Field(default=None, description="Not supported.")
    modalities: list[str] | None = Field(default=None, description='Only ["text"].')

    @property
    def named(self) -> str | None:
        """The collection that it names."""
        return None if self.tandem is None else self.tandem.collection

    def question(self, default_collection: str, *, alias: str) -> Question:
        """The domain's question; the model `alias` means any. Raises `InvalidRequest` and `UnsupportedContent` with the path to what is wrong."""
        self._refuse_what_changes_the_answer()
        turns = [self._turn(index, message) for index, message in enumerate(self.messages)]
        last = next((i for i in reversed(range(len(turns))) if turns[i].role == "user"), None)
        if last is None:
            raise InvalidRequest("There is no user message, so there is no question.", param="messages")
        if any(turn.role == "assistant" for turn in turns[last + 1 :]):
            raise InvalidRequest(
                "The last message must be the user's; an assistant's turn cannot be continued.", param="messages"
            )
        _check_question(turns[last].content, f"messages.{last}.content")
        options = self.tandem or TandemOptions()
        return Question(
            text=turns[last].content,
            conversation=tuple(turns[:last] + turns[last + 1 :]),
            retrieval=options.options(default_collection, param="tandem."),
            sampling=self._sampling(),
            prompt=options.prompt,
            model=None if self.model == alias else self.model,
            user=self.safety_identifier or self.user or None,
            conversation_id=options.conversation,
        )

    def _sampling(self) -> Sampling:
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        limit = self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens
        return Sampling(limit, self.temperature, self.top_p, stop, self.seed)

    def _refuse_what_changes_the_answer(self) -> None:
        asked: dict[str, bool] = {
            "n": self.n not in (None, 1),
            "tools": bool(self.tools),
            "functions": bool(self.functions),
            "response_format": (self.response_format or {"type": "text"}).get("type") != "text",
            "logprobs": bool(self.logprobs),
            "modalities": bool(self.modalities) and self.modalities != ["text"],
        }
        for name, wanted in asked.items():
            if wanted:
                raise InvalidRequest(f"{name} is not supported here with this value.", param=name)

    @staticmethod
    def _turn(index: int, message: ChatMessage) -> Message:
        path = f"messages.{index}"
        if message.role not in _ROLES:
            raise UnsupportedContent(f"Messages of role {message.role} are not supported.", param=f"{path}.role")
        if isinstance(message.content, list):
            return Message(
                _ROLES[message.role],
                "".join(_text_of(part, f"{path}.content.{i}") for i, part in enumerate(message.content)),
            )
        if message.content is None and message.role != "assistant":
            raise InvalidRequest(f"{path}.content: a text is needed.", param=f"{path}.content")
        return Message(_ROLES[message.role], message.content or "")


def read_request(body: bytes) -> ChatRequest:
    """The request in bytes that came by another way than HTTP. Raises `InvalidRequest` as the same body would be refused online."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The request is not valid JSON: {error}.") from error
    try:
        return ChatRequest.model_validate(told)
    except ValidationError as error:
        raise misfit(cast(list[Mapping[str, Any]], error.errors())) from error


def _text_of(part: ContentPart, path: str) -> str:
    if part.type != "text":
        raise UnsupportedContent(f"{path}: only text can be read, not {part.type[:40]}.", param=path)
    if part.text is None:
        raise InvalidRequest(f"{path}.text: a text is needed.", param=f"{path}.text")
    return part.text


def _check_question(text: str, path: str) -> None:
    if not text.strip():
        raise InvalidRequest("The question is empty.", param=path)
    if len(text) > MAX_QUESTION_CHARS:
        raise InvalidRequest(
            f"The question has {len(text):,} characters; at most {MAX_QUESTION_CHARS:,} are read.", param=path
        )
