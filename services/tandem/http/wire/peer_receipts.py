"""Records of answers between peers: the record itself is as `domain/record.py` draws it, in JSON."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tandem.http.wire.text import Out, Text
from tandem.ports.receipts import MAX_PAGE, ReceiptFilter

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Kept(Out):
    """Those that came, known ones too."""

    kept: int


class AnyRecord(Out):
    """A record."""

    model_config = ConfigDict(extra="allow")

    id: str


class AnyPage(Out):
    """Records, and where the next page begins."""

    records: list[dict[str, Any]]
    next_after: dict[str, Any] | None


class Scores(BaseModel):
    """Scores by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    scores: dict[Text, Finite] = Field(max_length=100)


class Scored(Out):
    """Whether there is such a record."""

    known: bool


class Tenants(Out):
    """Their names, in order."""

    tenants: list[str]


class Forgotten(Out):
    """How many were deleted."""

    forgotten: int


class PeerFilter(BaseModel):
    """What records must be like, and which page of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    caller: str | None = None
    user: str | None = None
    outcome: str | None = None
    collection: str | None = None
    model: str | None = None
    prompt: str | None = None
    release: str | None = None
    since: Finite | None = None
    until: Finite | None = None
    rating: Literal["up", "down"] | None = None
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    after_at: Finite | None = None
    after_id: str | None = None

    def filter(self) -> ReceiptFilter:
        """The domain's."""
        fields = ReceiptFilter.__dataclass_fields__
        return ReceiptFilter(**{name: getattr(self, name) for name in fields})
