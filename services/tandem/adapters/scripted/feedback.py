"""A store of feedback that a test can look into."""

from collections.abc import Sequence

from tandem.domain.feedback import Feedback
from tandem.ports.feedback import MAX_PAGE, FeedbackCursor, FeedbackFilter, FeedbackPage

_Key = tuple[str, str, str, str]


class ScriptedFeedback:
    """`ports/feedback.py` in memory. `fault` is raised by every call while it is set."""

    def __init__(self) -> None:
        self.kept: dict[_Key, Feedback] = {}
        self.fault: Exception | None = None

    async def give(self, feedback: Feedback) -> bool:
        """See the port."""
        self._check()
        known = _key(feedback) in self.kept
        self.kept[_key(feedback)] = feedback
        return known

    async def about(self, tenant: str, receipt_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """See the port."""
        self._check()
        return tuple(each for each in self._of(tenant) if each.receipt_id in receipt_ids)

    async def page(
        self, tenant: str, wanted: FeedbackFilter, *, limit: int, after: FeedbackCursor | None = None
    ) -> FeedbackPage:
        """See the port."""
        self._check()
        found = [each for each in self._of(tenant) if _fits(each, wanted)]
        if after is not None:
            found = [each for each in found if _place(each) > _cursor(after)]
        shown = found[: min(limit, MAX_PAGE)]
        last = FeedbackCursor(*_place(shown[-1])) if len(found) > len(shown) else None
        return FeedbackPage(tuple(shown), last)

    async def tenants(self) -> tuple[str, ...]:
        """See the port."""
        self._check()
        return tuple(sorted({tenant for tenant, *_ in self.kept}))

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        receipt_ids: Sequence[str] | None = None,
    ) -> int:
        """See the port."""
        self._check()
        gone = [
            each
            for each in self._of(tenant)
            if (user is None or each.user == user)
            and (before is None or each.given_at < before)
            and (receipt_ids is None or each.receipt_id in receipt_ids)
        ]
        for each in gone:
            del self.kept[_key(each)]
        return len(gone)

    def _of(self, tenant: str) -> list[Feedback]:
        return sorted((each for each in self.kept.values() if each.tenant == tenant), key=_place)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault


def _key(feedback: Feedback) -> _Key:
    return feedback.tenant, feedback.receipt_id, feedback.caller, feedback.user or ""


def _place(feedback: Feedback) -> tuple[float, str, str, str]:
    return feedback.given_at, feedback.receipt_id, feedback.caller, feedback.user or ""


def _cursor(after: FeedbackCursor) -> tuple[float, str, str, str]:
    return after.given_at, after.receipt_id, after.caller, after.user


def _fits(feedback: Feedback, wanted: FeedbackFilter) -> bool:
    return (
        (wanted.user is None or feedback.user == wanted.user)
        and (wanted.label is None or wanted.label in feedback.labels)
        and (wanted.least is None or feedback.rating >= wanted.least)
        and (wanted.most is None or feedback.rating <= wanted.most)
        and (wanted.since is None or feedback.given_at >= wanted.since)
        and (wanted.until is None or feedback.given_at < wanted.until)
    )
