"""Who vouches for a caller: an identity provider's signed tokens."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a good token says: who it was issued to, for which tenant, and which groups its bearer is in."""

    subject: str
    tenant: str
    groups: tuple[str, ...] = ()


class Tokens(Protocol):
    """Checks tokens."""

    async def check(self, token: str) -> Vouched:
        """What the token says.

        Raises `Unauthenticated` when it is not good, and `UpstreamUnavailable` when that cannot be told because the
        provider's keys are not known.
        """
        ...
