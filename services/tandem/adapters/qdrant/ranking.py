"""Equal searches give equal lists: what the engine leaves open is settled here."""

from collections.abc import Iterable
from itertools import pairwise

from tandem.adapters.qdrant.engine import Legs
from tandem.adapters.qdrant.payload import Payload, PointId, passage_of, shown
from tandem.domain.passage import Passage, Scores
from tandem.domain.viewer import Viewer
from tandem.ports.vectors import FUSION_K, SearchHits

_Scored = tuple[int, float]


def ranked(legs: Legs, viewer: Viewer, limit: int) -> SearchHits:
    """Passages with the scores of every list they are in, ties ordered by chunk id."""
    # An id is looked up many times, and an engine's may be slow to hash: a number stands for it here.
    numbers: dict[PointId, int] = {}
    dense_hits, sparse_hits, fused_hits = (
        [(numbers.setdefault(hit.id, len(numbers)), hit) for hit in leg]
        for leg in (legs.dense, legs.sparse, legs.fused)
    )
    # A chunk may be deleted between being found and being read.
    payloads = {
        number: hit.payload
        for number, hit in (*dense_hits, *sparse_hits)
        if hit.payload is not None and shown(hit.payload, viewer)
    }
    dense, sparse = (
        _settled([(number, hit.score) for number, hit in leg if number in payloads], payloads)
        for leg in (dense_hits, sparse_hits)
    )
    told = [(number, hit.score) for number, hit in fused_hits]
    fused = _settled(_fused(told, dense, sparse, payloads), payloads)[:limit]
    by_leg = (dict(dense), dict(sparse), dict(fused))
    found = {each: _passage(each, payload, by_leg) for each, payload in payloads.items()}

    def passages(hits: Iterable[_Scored]) -> tuple[Passage, ...]:
        return tuple(found[each] for each, _ in hits)

    return SearchHits(dense=passages(dense), sparse=passages(sparse), fused=passages(fused))


def _settled(hits: Iterable[_Scored], payloads: dict[int, Payload]) -> list[_Scored]:
    return sorted(hits, key=lambda hit: (-hit[1], _chunk_id(payloads[hit[0]])))


def _fused(
    told: list[_Scored], dense: list[_Scored], sparse: list[_Scored], payloads: dict[int, Payload]
) -> list[_Scored]:
    """The engine's fusion, unless it ranked by chance.

    Reciprocal ranks depend on the order of a leg's ties, which an engine returns in any order (and cuts anywhere);
    the same sum is then taken over the settled legs.
    """
    known = all(each in payloads for each, _ in told)
    if known and not _has_ties(dense) and not _has_ties(sparse):
        return told
    sums: dict[int, float] = {}
    for leg in (dense, sparse):
        for rank, (each, _) in enumerate(leg):
            sums[each] = sums.get(each, 0.0) + 1 / (FUSION_K + rank)
    return list(sums.items())


def _has_ties(hits: list[_Scored]) -> bool:
    return any(one[1] == other[1] for one, other in pairwise(hits))


def _chunk_id(payload: Payload) -> str:
    return f"{payload['document_id']}#{payload['ordinal']}"


def _passage(each: int, payload: Payload, by_leg: tuple[dict[int, float], ...]) -> Passage:
    dense, sparse, fused = (leg.get(each) for leg in by_leg)
    return passage_of(payload, Scores(dense=dense, sparse=sparse, fused=fused))
