"""Where the records of answers are kept, to be looked up by their ids and searched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tandem.domain.record import AnswerRecord

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class ReceiptFilter:
    """What a receipt must be like; None passes all.

    `collection` is a name (any version of it) or a version such as `docs@3`, `prompt` likewise. `since` and `until` are
    seconds since 1970, when the answer began: `until` itself is out. `rating`: somebody liked the answer, or did not.
    """

    caller: str | None = None
    user: str | None = None
    outcome: str | None = None
    collection: str | None = None
    model: str | None = None
    prompt: str | None = None
    release: str | None = None
    since: float | None = None
    until: float | None = None
    rating: Literal["up", "down"] | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind a receipt, in the order of pages."""

    began_at: float
    id: str


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Newest first; `next_after` is where the next page begins, None when there is none."""

    records: tuple[AnswerRecord, ...]
    next_after: Cursor | None = None


class Receipts(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now.

    Who may see what of a receipt is not decided here (see `pipeline/receipts.py`), but no call looks beyond its tenant.
    """

    async def keep(self, records: Sequence[AnswerRecord]) -> None:
        """All of them or none; one whose tenant and id are known is passed over. Raises `DocumentRejected` for what no
        store of this kind can hold.
        """
        ...

    async def receipt(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
        """One look-up by both, so that an unknown id and another tenant's take the same time."""
        ...

    async def judged(self, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
        """Add these scores to those of the receipt; False when it is not there (yet), and then nothing is kept: what was
        deleted does not come back.
        """
        ...

    async def page(self, tenant: str, wanted: ReceiptFilter, *, limit: int, after: Cursor | None = None) -> ReceiptPage:
        """At most `limit` (up to `MAX_PAGE`), fewer where they are large; what is kept meanwhile disturbs no paging."""
        ...

    async def tenants(self) -> tuple[str, ...]:
        """Those that have receipts, in order."""
        ...

    async def forget(self, tenant: str, *, user: str | None = None, before: float | None = None) -> int:
        """Delete those of a user, those that began before an instant, or where both are given, those to which both apply;
        with neither, all of the tenant's. How many there were.
        """
        ...
