"""What was worked out before, for as long as it may be used again."""

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

V = TypeVar("V")


class Cache(Protocol, Generic[V]):
    """Bounded; what it holds may be gone at any moment. Keys must name everything that the value depends on."""

    def find(self, key: Hashable) -> V | None:
        """What was kept under an equal key, None when it is gone or never was."""
        ...

    def keep(self, key: Hashable, value: V, size: int) -> None:
        """`size` in bytes, about. What is larger than the whole cache is not kept."""
        ...
