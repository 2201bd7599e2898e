"""Strings and names as requests may hold them."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_QUESTION_CHARS = 32_000
# A collection, or one of its versions.
_COLLECTION = r"^[a-z0-9][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?$"


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a NUL character is not text")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
ShortText = Annotated[str, Field(max_length=2_000), AfterValidator(_without_nul)]
CommentText = Annotated[str, Field(min_length=1, max_length=4_000), AfterValidator(_without_nul)]
AnswerText = Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_without_nul)]
QuestionText = Annotated[
    str, Field(min_length=1, max_length=MAX_QUESTION_CHARS), AfterValidator(_without_nul), AfterValidator(_not_blank)
]
CollectionName = Annotated[str, Field(pattern=_COLLECTION)]


class Ours(BaseModel):
    """A request object of our own: exact types, unknown fields are faults."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Out(BaseModel):
    """An answer's object."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


def absent(value: object) -> bool:
    """For fields that are left out of an answer rather than null."""
    return value is None


def seconds(timings: dict[str, float]) -> dict[str, float]:
    """Durations to the tenth of a millisecond."""
    return {stage: round(value, 4) for stage, value in timings.items()}
