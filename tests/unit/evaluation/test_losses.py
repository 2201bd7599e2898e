from collections.abc import Sequence

import pytest

from fakes.passages import passage
from tandem.domain.passage import Dropped, DropReason, Passage, Trace
from tandem.retrieval.losses import lost


def ranked(*documents: str) -> tuple[Passage, ...]:
    return tuple(passage("text", n, document=document) for n, document in enumerate(documents))


def where(trace: Trace, given: Sequence[Passage], *relevant: str) -> str | None:
    return lost(relevant, trace, given, lambda each: each.chunk.document_id)


def dropped(reason: DropReason, *documents: str) -> tuple[Dropped, ...]:
    return tuple(Dropped(each, reason) for each in ranked(*documents))


def test_what_is_in_the_prompt_is_not_lost() -> None:
    assert where(Trace(), ranked("a", "b"), "b", "c") is None
    assert where(Trace(), ranked("a")) is None


@pytest.mark.parametrize(
    ("trace", "stage"),
    [
        (Trace(), "not_recalled"),
        (Trace(dense=ranked("x"), sparse=ranked("y"), fused=ranked("x", "y")), "not_recalled"),
        (Trace(sparse=ranked("x", "gold"), fused=ranked("x")), "fused_out"),
        (Trace(fused=ranked("x", "gold"), dropped=dropped("over_top_k", "gold")), "ranked_low"),
        (
            Trace(fused=ranked("gold", "x"), reranked=ranked("x", "gold"), dropped=dropped("over_top_k", "gold")),
            "reranked_down",
        ),
        (
            Trace(fused=ranked("x", "gold"), reranked=ranked("x", "gold"), dropped=dropped("over_top_k", "gold")),
            "ranked_low",
        ),
        (Trace(fused=ranked("gold"), dropped=dropped("near_duplicate", "gold")), "near_duplicate"),
        (Trace(fused=ranked("gold"), dropped=dropped("over_token_budget", "gold")), "over_token_budget"),
    ],
)
def test_the_stage_that_lost_it(trace: Trace, stage: str) -> None:
    assert where(trace, ranked("x"), "gold") == stage


def test_nothing_is_given_below_the_threshold() -> None:
    trace = Trace(fused=ranked("gold"), dropped=dropped("below_threshold", "gold"))
    assert where(trace, (), "gold") == "below_threshold"


def test_of_several_the_one_that_came_nearest_tells() -> None:
    trace = Trace(fused=ranked("gold", "x"), dropped=dropped("near_duplicate", "gold"))
    assert where(trace, ranked("x"), "nowhere", "gold") == "near_duplicate"


def test_of_a_document_its_best_passage_tells() -> None:
    best, further = passage("text", 0, document="gold"), passage("text", 1, document="gold")
    trace = Trace(fused=(best, further), dropped=(Dropped(further, "over_top_k"), Dropped(best, "over_token_budget")))
    assert where(trace, ranked("x"), "gold") == "over_token_budget"
