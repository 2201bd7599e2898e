"""A message to somebody's own server."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """`id` is the same at every attempt, so that who gets it twice can tell; `body` is JSON, signed for the tenant."""

    id: str
    tenant: str
    url: str
    body: bytes


class Webhooks(Protocol):
    """Sends messages, each signed."""

    async def send(self, message: Message) -> None:
        """Returns when it was taken.

        Raises `UpstreamUnavailable`, or `Overloaded` with what its Retry-After said, when it may be taken later, and
        `PermissionDenied` for an address that may not be called: that never changes by itself.
        """
        ...
