"""Passages that say the same thing again are left out: they cost tokens and crowd out others."""

from tandem.domain.passage import Passage
from tandem.domain.text import words

_SHINGLE = 4
# Overlapping neighbours share less than this; copies with another header share more.
_SAME = 0.8

_Shingles = frozenset[tuple[str, ...]]


class Distinct:
    """The passages taken so far, and whether another one says more than they do.

    A passage repeats a better one when that holds 80 % of its four-word shingles. One that holds the better one and says
    more besides is none: a short passage must not push out the long one with the answer.
    """

    def __init__(self) -> None:
        self._taken: list[tuple[str, _Shingles]] = []
        self._looked_at: dict[str, _Shingles] = {}

    def twin(self, passage: Passage) -> str | None:
        """The chunk id of the one it repeats."""
        shingles = self._of(passage)
        return next((other for other, held in self._taken if _contained(shingles, held) >= _SAME), None)

    def take(self, passage: Passage) -> None:
        """It counts from now on."""
        self._taken.append((passage.chunk.id, self._of(passage)))

    def _of(self, passage: Passage) -> _Shingles:
        id_ = passage.chunk.id
        if id_ not in self._looked_at:
            self._looked_at[id_] = _shingles(passage.chunk.text)
        return self._looked_at[id_]


def _shingles(text: str) -> _Shingles:
    said = words(text)
    if len(said) < _SHINGLE:
        return frozenset((tuple(said),))
    return frozenset(zip(*(said[n:] for n in range(_SHINGLE)), strict=False))


def _contained(one: _Shingles, other: _Shingles) -> float:
    return len(one & other) / len(one)
