"""A share of the documents: a range of the hash of their ids, the same on every machine and in every version."""

import hashlib
from dataclasses import dataclass
from typing import Self

from tandem.domain.errors import ConfigurationError

_BITS = 64


@dataclass(frozen=True, slots=True)
class Shard:
    """Number `index` of `count`, from 0. Every document id is held by exactly one of them."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ConfigurationError(
                f"There is no shard {self.index} of {self.count}.", hint=f"They are 0 to {self.count - 1}."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """`I/N`, such as 0/4. Raises `ConfigurationError`."""
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(count)):
            raise ConfigurationError(
                f"{text!r} is no shard.", hint="Write I/N with I from 0, such as 0/4 for the first of four."
            )
        return cls(int(index), int(count))

    @property
    def whole(self) -> bool:
        """True when there are no others."""
        return self.count == 1

    def holds(self, document_id: str) -> bool:
        """True when the document belongs here."""
        return self.whole or _place(document_id) * self.count >> _BITS == self.index

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.index}/{self.count}"


WHOLE = Shard()


def _place(document_id: str) -> int:
    """Where the id lies in 0 … 2^64 - 1, evenly."""
    encoded = document_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=_BITS // 8).digest(), "big")
