"""A cache in this process: bounded by bytes and by age, the least recently used goes first."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import TTLCache

from tandem.ports.clock import Clock

V = TypeVar("V")

# What an entry takes beside its text: key, dictionary slots, link, the objects around.
_ENTRY_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    size: int


class MemoryCache(Generic[V]):
    """`ports/cache.py`."""

    def __init__(self, clock: Clock, *, max_bytes: int, ttl_s: float) -> None:
        self._kept: TTLCache[Hashable, _Kept[V]] = TTLCache(
            max_bytes, ttl_s, timer=clock.monotonic_s, getsizeof=lambda kept: kept.size
        )

    @property
    def bytes(self) -> int:
        """About what it holds."""
        return int(self._kept.currsize)

    def find(self, key: Hashable) -> V | None:
        """See the port."""
        kept = self._kept.get(key)
        return None if kept is None else kept.value

    def keep(self, key: Hashable, value: V, size: int) -> None:
        """See the port."""
        kept = _Kept(value, size + _ENTRY_BYTES)
        if kept.size <= self._kept.maxsize:
            self._kept[key] = kept
