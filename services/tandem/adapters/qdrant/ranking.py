"""Equal searches give equal lists: what the engine leaves open is settled here."""

from collections.abc import Iterable
from itertools import pairwise

from tandem.adapters.qdrant.engine import Legs
from tandem.adapters.qdrant.payload import Payload, PointId, passage_of, shown
from tandem.domain.passage import Passage, Scores
from tandem.domain.viewer import Viewer
from tandem.ports.vectors import FUSION_K, SearchHits


def ranked(legs: Legs, viewer: Viewer, limit: int) -> SearchHits:
    """Passages with the scores of every list they are in, ties ordered by chunk id."""
    # A chunk may be deleted between being found and being read.
    payloads = {
        hit.id: hit.payload
        for hit in (*legs.dense, *legs.sparse)
        if hit.payload is not None and shown(hit.payload, viewer)
    }
    dense, sparse = (
        _settled([(hit.id, hit.score) for hit in leg if hit.id in payloads], payloads)
        for leg in (legs.dense, legs.sparse)
    )
    fused = _settled(_fused(legs, dense, sparse, payloads), payloads)[:limit]
    by_leg = (dict(dense), dict(sparse), dict(fused))
    found = {each: _passage(each, payload, by_leg) for each, payload in payloads.items()}

    def passages(hits: Iterable[tuple[PointId, float]]) -> tuple[Passage, ...]:
        return tuple(found[each] for each, _ in hits)

    return SearchHits(dense=passages(dense), sparse=passages(sparse), fused=passages(fused))


def _settled(hits: Iterable[tuple[PointId, float]], payloads: dict[PointId, Payload]) -> list[tuple[PointId, float]]:
    return sorted(hits, key=lambda hit: (-hit[1], _chunk_id(payloads[hit[0]])))


def _fused(
    legs: Legs,
    dense: list[tuple[PointId, float]],
    sparse: list[tuple[PointId, float]],
    payloads: dict[PointId, Payload],
) -> list[tuple[PointId, float]]:
    """The engine's fusion, unless it ranked by chance.

    Reciprocal ranks depend on the order of a leg's ties, which an engine returns in any order (and cuts anywhere);
    the same sum is then taken over the settled legs.
    """
    known = all(hit.id in payloads for hit in legs.fused)
    if known and not _has_ties(dense) and not _has_ties(sparse):
        return [(hit.id, hit.score) for hit in legs.fused]
    sums: dict[PointId, float] = {}
    for leg in (dense, sparse):
        for rank, (each, _) in enumerate(leg):
            sums[each] = sums.get(each, 0.0) + 1 / (FUSION_K + rank)
    return list(sums.items())


def _has_ties(hits: list[tuple[PointId, float]]) -> bool:
    return any(one[1] == other[1] for one, other in pairwise(hits))


def _chunk_id(payload: Payload) -> str:
    return f"{payload['document_id']}#{payload['ordinal']}"


def _passage(each: PointId, payload: Payload, by_leg: tuple[dict[PointId, float], ...]) -> Passage:
    dense, sparse, fused = (leg.get(each) for leg in by_leg)
    return passage_of(payload, Scores(dense=dense, sparse=sparse, fused=fused))
