"""Feedback on the wire."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, FiniteFloat

from tandem.domain.feedback import DOWN, UP, Feedback
from tandem.http.wire.cursors import cursor_text, read_cursor
from tandem.http.wire.text import AnswerText, CommentText, Ours, Out, ShortText
from tandem.pipeline.feedback.giving import Given, Opinion
from tandem.ports.feedback import FeedbackCursor, FeedbackFilter, FeedbackPage

_THUMBS = {"up": UP, "down": DOWN}


def _rated(value: float | str) -> float:
    rating = _THUMBS.get(value) if isinstance(value, str) else float(value)
    if rating is None or not DOWN <= rating <= UP:
        raise ValueError("it is up, down, or a number from -1 to 1")
    return rating


# What it may be is told by what checks it, so that the message names all of it.
Rating = Annotated[str | FiniteFloat | int, AfterValidator(_rated)]
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")]
LabelList = Annotated[list[Label], Field(max_length=16)]
Thumb = Literal["up", "down", "neutral"]


class FeedbackBody(Ours):
    """An opinion of one answer."""

    receipt_id: Annotated[ShortText, Field(min_length=1, description="`tandem.receipt_id` of the answer.")]
    rating: Annotated[Rating, Field(description="`up`, `down`, or a number from -1 to 1.")]
    labels: Annotated[LabelList, Field(default=[], description="Words of your own, such as wrong or too-long.")]
    corrected_answer: Annotated[AnswerText | None, Field(default=None, description="What it should have said.")]
    comment: CommentText | None = None
    user: Annotated[
        ShortText | None,
        Field(default=None, min_length=1, description="Whose opinion it is; unset: of the user who was asked for."),
    ]

    def opinion(self) -> Opinion:
        """The domain's."""
        labels = tuple(dict.fromkeys(self.labels))
        return Opinion(self.receipt_id, float(self.rating), labels, self.corrected_answer, self.comment, self.user)


class WireFeedback(Out):
    """One opinion."""

    receipt_id: str
    rating: float = Field(description="From -1 to 1.")
    labels: list[str]
    corrected_answer: str | None
    comment: str | None
    caller: str
    user: str | None = Field(description="As it is kept: an alias where texts are not.")
    given_at: float = Field(description="Seconds since 1970.")


class WireGiven(WireFeedback):
    """What is kept of an opinion."""

    replaced: bool = Field(description="The same person had said something of this answer before.")
    left_out: bool = Field(description="Its words are not kept: texts of this tenant are not captured.")


class WireFeedbackPage(Out):
    """Opinions, oldest first."""

    data: list[WireFeedback]
    next_after: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class FeedbackQuery(Ours):
    """Which opinions."""

    rating: Thumb | None = Field(default=None, description="Good, bad or undecided ones.")
    label: Label | None = None
    user: Annotated[ShortText | None, Field(default=None, description="The id that callers told, not its alias.")]
    since: Annotated[FiniteFloat | None, Field(default=None, strict=False, description="Seconds since 1970.")]
    until: Annotated[FiniteFloat | None, Field(default=None, strict=False)]
    limit: Annotated[int, Field(default=50, ge=1, le=500, strict=False)]
    after: ShortText | None = None

    def filter(self) -> FeedbackFilter:
        """The port's."""
        tiny = 1e-9
        least, most = {
            "up": (tiny, None),
            "down": (None, -tiny),
            "neutral": (0.0, 0.0),
            None: (None, None),
        }[self.rating]
        return FeedbackFilter(self.user, self.label, least, most, self.since, self.until)

    def cursor(self) -> FeedbackCursor | None:
        """Raises `InvalidRequest` for one that no page gave."""
        if self.after is None:
            return None
        given_at, ids = read_cursor(self.after, 3)
        return FeedbackCursor(given_at, *ids)


class ExportQuery(Ours):
    """Which opinions, and the answers they are about."""

    label: Label | None = None
    since: Annotated[FiniteFloat | None, Field(default=None, strict=False, description="Seconds since 1970.")]
    until: Annotated[FiniteFloat | None, Field(default=None, strict=False)]

    def filter(self) -> FeedbackFilter:
        """The port's."""
        return FeedbackFilter(label=self.label, since=self.since, until=self.until)


def wire_feedback(feedback: Feedback) -> WireFeedback:
    """One opinion."""
    return WireFeedback(**_fields(feedback))


def wire_given(given: Given) -> WireGiven:
    """What is kept of one."""
    return WireGiven(**_fields(given.feedback), replaced=given.replaced, left_out=given.left_out)


def wire_page(page: FeedbackPage) -> WireFeedbackPage:
    """A page."""
    after = page.next_after
    told = None
    if after is not None:
        told = cursor_text(after.given_at, after.receipt_id, after.caller, after.user)
    return WireFeedbackPage(data=list(map(wire_feedback, page.feedback)), next_after=told)


def _fields(feedback: Feedback) -> dict[str, Any]:
    return {
        "receipt_id": feedback.receipt_id,
        "rating": feedback.rating,
        "labels": list(feedback.labels),
        "corrected_answer": feedback.corrected_answer,
        "comment": feedback.comment,
        "caller": feedback.caller,
        "user": feedback.user,
        "given_at": feedback.given_at,
    }
