"""Passages that say the same thing again are left out: they cost tokens and crowd out others."""

from collections.abc import Sequence

from tandem.domain.passage import Dropped, Passage
from tandem.domain.text import words

_SHINGLE = 4
# Overlapping neighbours share less than this; copies with another header share more.
_SAME = 0.8


def without_repeats(passages: Sequence[Passage]) -> tuple[list[Passage], list[Dropped]]:
    """Keep the best-ranked of each group of near-duplicates.

    A passage repeats a better one when that holds 80 % of its four-word shingles. One that holds the better one and says
    more besides is kept: a short passage must not push out the long one with the answer.
    """
    kept: list[tuple[Passage, frozenset[tuple[str, ...]]]] = []
    dropped: list[Dropped] = []
    for passage in passages:
        shingles = _shingles(passage.chunk.text)
        twin = next((other for other, held in kept if _contained(shingles, held) >= _SAME), None)
        if twin is None:
            kept.append((passage, shingles))
        else:
            dropped.append(Dropped(passage, "near_duplicate", twin.chunk.id))
    return [passage for passage, _ in kept], dropped


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    said = words(text)
    return frozenset(tuple(said[n : n + _SHINGLE]) for n in range(max(1, len(said) - _SHINGLE + 1)))


def _contained(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one)
