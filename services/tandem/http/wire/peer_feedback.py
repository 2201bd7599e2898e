"""Feedback and who was forgotten, between peers."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from tandem.domain.feedback import Feedback
from tandem.http.wire.text import Out, Text
from tandem.ports.feedback import MAX_PAGE, FeedbackCursor, FeedbackFilter
from tandem.ports.forgotten import Forgetting

Finite = Annotated[float, Field(allow_inf_nan=False)]
_FROZEN = ConfigDict(extra="forbid", frozen=True)


class PeerFeedback(BaseModel):
    """One opinion; its tenant is the one that the peer names in its header."""

    model_config = _FROZEN

    receipt_id: Text
    rating: Finite
    given_at: Finite
    caller: Text = ""
    user: Text | None = None
    labels: list[Text] = Field(default=[], max_length=100)
    corrected_answer: Text | None = None
    comment: Text | None = None

    def feedback(self, tenant: str) -> Feedback:
        """The domain's."""
        return Feedback(
            tenant,
            self.receipt_id,
            self.rating,
            self.given_at,
            self.caller,
            self.user,
            tuple(self.labels),
            self.corrected_answer,
            self.comment,
        )


class PeerAbout(BaseModel):
    """Whose opinions."""

    model_config = _FROZEN

    receipt_ids: list[Text] = Field(max_length=MAX_PAGE)


class PeerWanted(BaseModel):
    """Which opinions, and the place behind which the page begins."""

    model_config = _FROZEN

    user: Text | None = None
    label: Text | None = None
    least: Finite | None = None
    most: Finite | None = None
    since: Finite | None = None
    until: Finite | None = None
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)
    after: tuple[Finite, Text, Text, Text] | None = None

    def filter(self) -> FeedbackFilter:
        """The port's."""
        return FeedbackFilter(self.user, self.label, self.least, self.most, self.since, self.until)

    def cursor(self) -> FeedbackCursor | None:
        """The port's."""
        return None if self.after is None else FeedbackCursor(*self.after)


class PeerForget(BaseModel):
    """Whose opinions go; all of these have to apply."""

    model_config = _FROZEN

    user: Text | None = None
    before: Finite | None = None
    receipt_ids: list[Text] | None = Field(default=None, max_length=MAX_PAGE)


class PeerForgetting(BaseModel):
    """Who is forgotten."""

    model_config = _FROZEN

    tenant: Text
    users: list[Text] = Field(max_length=100)
    at: Finite

    def forgetting(self) -> Forgetting:
        """The port's."""
        return Forgetting(self.tenant, tuple(self.users), self.at)


class PeerBefore(BaseModel):
    """Notes from before an instant."""

    model_config = _FROZEN

    before: Finite


class Known(Out):
    """Whether there was one in its place."""

    known: bool


class Opinions(Out):
    """Opinions, and where the next page begins."""

    feedback: list[dict[str, Any]]
    next_after: list[Any] | None = None


class Names(Out):
    """Tenants, in order."""

    tenants: list[str]


class Count(Out):
    """How many."""

    count: int


class Notes(Out):
    """Everybody who was forgotten."""

    forgotten: list[dict[str, Any]]
