"""Stores of feedback and of the forgotten for who keeps no receipts."""

# ruff: noqa: ARG002 - it has its port's signatures, and looks at nothing

from collections.abc import Sequence

from tandem.domain.feedback import Feedback
from tandem.ports.feedback import FeedbackCursor, FeedbackFilter, FeedbackPage
from tandem.ports.forgotten import Forgetting


class UnkeptFeedback:
    """`ports/feedback.py`: without receipts nobody can have an opinion of one."""

    async def give(self, feedback: Feedback) -> bool:
        """Not kept."""
        return False

    async def about(self, tenant: str, receipt_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """There is none."""
        return ()

    async def page(
        self, tenant: str, wanted: FeedbackFilter, *, limit: int, after: FeedbackCursor | None = None
    ) -> FeedbackPage:
        """Empty."""
        return FeedbackPage(())

    async def tenants(self) -> tuple[str, ...]:
        """Nobody."""
        return ()

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        receipt_ids: Sequence[str] | None = None,
    ) -> int:
        """Nothing to forget."""
        return 0


class ForgottenHere:
    """`ports/forgotten.py` for as long as the process lives: records that it shipped to files and collectors, no others."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, str], float] = {}

    async def note(self, forgetting: Forgetting) -> None:
        """In memory."""
        for user in forgetting.users:
            key = forgetting.tenant, user
            self._noted[key] = max(forgetting.at, self._noted.get(key, forgetting.at))

    async def all(self) -> Sequence[Forgetting]:
        """From memory."""
        return [Forgetting(tenant, (user,), at) for (tenant, user), at in self._noted.items()]

    async def drop(self, before: float) -> int:
        """From memory."""
        old = [key for key, at in self._noted.items() if at < before]
        for key in old:
            del self._noted[key]
        return len(old)
