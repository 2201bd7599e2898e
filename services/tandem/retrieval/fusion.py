"""Several ranked lists into one, by the ranks alone: reciprocal rank fusion with weights.

Cormack, Clarke and Büttcher (2009): a passage's score is the sum over the lists of `weight / (k + rank)`. Ranks say
nothing of how far apart scores are, so that lists of different units can be added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tandem.domain.passage import Passage
from tandem.ports.vectors import FUSION_K


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the two legs; `k` flattens the ranks: the larger, the less the first place counts."""

    dense: float = 1.0
    sparse: float = 1.0
    k: int = FUSION_K

    @property
    def even(self) -> bool:
        """True when it is what a store's own fusion computes."""
        return self.dense == self.sparse and self.k == FUSION_K


@dataclass(frozen=True, slots=True)
class Ranked:
    """One list, best first, and how much its ranks count."""

    passages: Sequence[Passage]
    weight: float = 1.0


def fused(lists: Iterable[Ranked], *, k: int, limit: int) -> tuple[Passage, ...]:
    """Each passage once, best first, with its sum in `scores.fused`; ties are broken by chunk id.

    The first list that holds a passage gives its other scores: the question's own lists come first.
    """
    known: dict[str, Passage] = {}
    sums: dict[str, float] = {}
    for each in lists:
        for rank, passage in enumerate(each.passages):
            id_ = passage.chunk.id
            known.setdefault(id_, passage)
            sums[id_] = sums.get(id_, 0.0) + each.weight / (k + rank)
    best = sorted(sums, key=lambda id_: (-sums[id_], id_))[:limit]
    return tuple(replace(known[id_], scores=replace(known[id_].scores, fused=sums[id_])) for id_ in best)
