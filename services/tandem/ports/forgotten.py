"""Whose answers were deleted, so that those which are still on their way to a store never arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Everything of these users that began before `at` (seconds since 1970) is to be gone; `users` are names as kept."""

    tenant: str
    users: tuple[str, ...]
    at: float


class Forgotten(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now."""

    async def note(self, forgetting: Forgetting) -> None:
        """Keep it; once more moves its instant on, never back."""
        ...

    async def all(self) -> Sequence[Forgetting]:
        """Every one, of every tenant, in no order; one for each user."""
        ...

    async def drop(self, before: float) -> int:
        """Forget those that were noted before an instant: what they were about is on no way any more."""
        ...
