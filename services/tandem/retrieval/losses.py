"""At which stage a document that answers the question was lost on its way to the prompt."""

from collections.abc import Callable, Mapping, Sequence

from tandem.domain.passage import Passage, Trace

NOT_RECALLED = "not_recalled"
FUSED_OUT = "fused_out"
RANKED_LOW = "ranked_low"
RERANKED_DOWN = "reranked_down"
# In the order of the way: what comes later was nearer to the prompt. A trace may tell reasons that are not listed.
STAGES: Mapping[str, str] = {
    NOT_RECALLED: "in neither the dense nor the sparse candidates",
    FUSED_OUT: "recalled by a leg, not among the fused candidates",
    "below_threshold": "nothing reached the relevance threshold, so the question was refused",
    RANKED_LOW: "fused below the passages that the prompt takes",
    RERANKED_DOWN: "fused high enough, reranked below them",
    "near_duplicate": "left out as a repeat of another passage",
    "over_token_budget": "no room left in the prompt's token budget",
}


def lost(
    relevant: Sequence[str], trace: Trace, passages: Sequence[Passage], document_of: Callable[[Passage], str]
) -> str | None:
    """Where the question lost what answers it: None when a relevant document is among the passages.

    With several relevant documents it is where the one was lost that came nearest to the prompt.
    """
    given = {document_of(passage) for passage in passages}
    if given.intersection(relevant) or not relevant:
        return None
    order = [*STAGES]
    found = [_lost(document, trace, len(given), document_of) for document in relevant]
    return max(found, key=lambda stage: order.index(stage) if stage in order else len(order))


def _lost(document: str, trace: Trace, given: int, document_of: Callable[[Passage], str]) -> str:
    fused = _rank(document, trace.fused, document_of)
    if fused is None:
        legs = (trace.dense, trace.sparse)
        return FUSED_OUT if any(_rank(document, leg, document_of) is not None for leg in legs) else NOT_RECALLED
    # Its best passage tells: the reason of a further one says nothing about the document.
    best = {id_: at for at, id_ in enumerate(passage.chunk.id for passage in trace.reranked or trace.fused)}
    dropped = [each for each in trace.dropped if document_of(each.passage) == document]
    dropped.sort(key=lambda each: best.get(each.passage.chunk.id, len(best)))
    reason = str(dropped[0].reason) if dropped else "over_top_k"
    if reason != "over_top_k":
        return reason
    return RERANKED_DOWN if trace.reranked and fused < given else RANKED_LOW


def _rank(document: str, passages: Sequence[Passage], document_of: Callable[[Passage], str]) -> int | None:
    """Its place among the distinct documents, from 0."""
    distinct = list(dict.fromkeys(map(document_of, passages)))
    return distinct.index(document) if document in distinct else None
