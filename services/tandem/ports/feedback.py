"""Where feedback is kept, beside the receipts it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.feedback import Feedback

MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class FeedbackFilter:
    """What feedback must be like; None passes all. `since` and `until` are seconds since 1970: `until` itself is out.

    `user` is the id as it is kept; `least` and `most` bound the rating, both in.
    """

    user: str | None = None
    label: str | None = None
    least: float | None = None
    most: float | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class FeedbackCursor:
    """Behind one opinion, in the order of pages."""

    given_at: float
    receipt_id: str
    caller: str
    user: str


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """Oldest first; `next_after` is where the next page begins, None when there is none."""

    feedback: tuple[Feedback, ...]
    next_after: FeedbackCursor | None = None


class FeedbackStore(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now.

    Whether there is such a receipt is not asked here. No call looks beyond its tenant.
    """

    async def give(self, feedback: Feedback) -> bool:
        """Keep it in the place of what the same caller and user said of the same receipt; whether there was something."""
        ...

    async def about(self, tenant: str, receipt_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """All of it, oldest first, of at most `MAX_PAGE` receipts."""
        ...

    async def page(
        self, tenant: str, wanted: FeedbackFilter, *, limit: int, after: FeedbackCursor | None = None
    ) -> FeedbackPage:
        """At most `limit`, up to `MAX_PAGE`."""
        ...

    async def tenants(self) -> tuple[str, ...]:
        """Those that gave any, in order."""
        ...

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        receipt_ids: Sequence[str] | None = None,
    ) -> int:
        """Delete what all of these apply to, given before an instant; with none, all of the tenant's. How many there were."""
        ...
