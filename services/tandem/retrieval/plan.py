"""What is left out of a retrieval when its time is short, in which order, and the word that `degraded` says it with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One step. `name` is what timings and an error's `stage` call it; `assumed_s` is what it needs until measured.

    `skipped` is told when it was not begun, `failed` when it was begun and did not come to its end; a stage without
    them cannot be left out.
    """

    name: str
    assumed_s: float
    skipped: str | None = None
    failed: str | None = None


EMBED = Stage("embed", 0.05, skipped="dense_skipped", failed="dense_failed")
SEARCH = Stage("search", 0.02)
RERANK = Stage("rerank", 0.3, skipped="rerank_skipped", failed="rerank_failed")
SELECT = Stage("select", 0.01)
NEIGHBOURS = Stage("neighbours", 0.01, skipped="neighbours_skipped", failed="neighbours_failed")

# What a model adds to the question before anything is searched.
STANDALONE = Stage("standalone", 1.0, skipped="standalone_skipped", failed="standalone_failed")
SELF_QUERY = Stage("self_query", 1.0, skipped="self_query_skipped", failed="self_query_failed")
EXPAND = Stage("expand", 1.5, skipped="expand_skipped", failed="expand_failed")
# What the rules read out of it, with a look at what the collection knows.
UNDERSTAND = Stage("understand", 0.005, failed=SELF_QUERY.failed)
STAGES = frozenset(
    stage.name for stage in (EMBED, SEARCH, RERANK, SELECT, NEIGHBOURS, STANDALONE, SELF_QUERY, EXPAND, UNDERSTAND)
)

# Nothing was searched at all, and the model answered by itself: `retrieval.on_failure: answer_without`.
UNAVAILABLE = "retrieval_unavailable"
# Asked for, and there is no model here that could.
NO_EXPANSION = "expand_unavailable"
NO_SELF_QUERY = "self_query_unavailable"
# Nothing met the conditions that the question seemed to name, so it was searched for without them.
FILTER_IGNORED = "filter_ignored"
# The version was made with another embedder, or other weights of words, than questions get here: the other leg alone.
DENSE_MISMATCH = "dense_mismatch"
SPARSE_MISMATCH = "sparse_mismatch"

# What is worth least for its time goes first. A model's words cost seconds and add little to what the question says itself;
# a follow-up has the rule's wording without them. What stands around a passage is read only once the passage is right.
# Without the reranker the best passage is still among the first few, words alone miss what is said in other words. The
# words' own leg costs nothing beside the embedding, so it always stays.
ORDER = (EXPAND, SELF_QUERY, STANDALONE, NEIGHBOURS, RERANK, EMBED)
WORDS = frozenset(
    {
        DENSE_MISMATCH,
        FILTER_IGNORED,
        NO_EXPANSION,
        NO_SELF_QUERY,
        SPARSE_MISMATCH,
        UNAVAILABLE,
        *(word for stage in ORDER for word in (stage.skipped, stage.failed) if word is not None),
    }
)


def left_out(left_s: float | None, ahead: Sequence[Stage], needs_s: Callable[[Stage], float]) -> tuple[Stage, ...]:
    """Which of the stages `ahead` have to go so that the others fit into `left_s` seconds; None is time without end.

    When even the stages that cannot be left out do not fit, all others go.
    """
    if left_s is None:
        return ()
    wanted_s = sum(map(needs_s, ahead))
    gone: list[Stage] = []
    for stage in ORDER:
        if wanted_s <= left_s:
            break
        if stage in ahead:
            gone.append(stage)
            wanted_s -= needs_s(stage)
    return tuple(gone)
