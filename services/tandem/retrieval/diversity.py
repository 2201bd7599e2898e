"""Passages that add something come before those that say the same again: maximal marginal relevance.

Carbonell and Goldstein (1998): the next passage is the one with the greatest `(1 - d) * rank score - d * likeness to what
was taken`. `d` is how much variety counts, 0 (none) to 1 (all). The rank score is the last stage's, scaled to 0…1 over the
candidates; likeness is the cosine of the sets of word stems, so that no vectors need to be fetched.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tandem.domain.passage import Passage
from tandem.domain.text import stem_set


def diversified(candidates: Sequence[Passage], diversity: float) -> Iterator[Passage]:
    """All of them, the most useful next one first, with its `scores.marginal`; ranked as they came where `diversity` is 0."""
    if diversity <= 0:
        yield from candidates
        return
    waiting = list(zip(candidates, _scaled(candidates), strict=True))
    likest = dict.fromkeys((passage.chunk.id for passage in candidates), 0.0)
    while waiting:
        worth = [(1 - diversity) * score - diversity * likest[passage.chunk.id] for passage, score in waiting]
        # The earliest of equals, as they are ranked already.
        place = worth.index(max(worth))
        taken, _ = waiting.pop(place)
        for passage, _ in waiting:
            id_ = passage.chunk.id
            likest[id_] = max(likest[id_], likeness(taken, passage))
        yield replace(taken, scores=replace(taken.scores, marginal=worth[place]))


def likeness(one: Passage, other: Passage) -> float:
    """0 (no word in common) to 1 (the same words)."""
    left, right = stem_set(one.chunk.text), stem_set(other.chunk.text)
    return len(left & right) / math.sqrt(len(left) * len(right)) if left and right else 0.0


def _scaled(candidates: Sequence[Passage]) -> list[float]:
    scores = [_rank_score(passage) for passage in candidates]
    least, most = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - least) / (most - least) if most > least else 1.0 for score in scores]


def _rank_score(passage: Passage) -> float:
    found = passage.scores
    return (found.fused or 0.0) if found.rerank is None else found.rerank
