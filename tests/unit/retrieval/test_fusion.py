from hypothesis import given
from hypothesis import strategies as st

from fakes.passages import passage
from tandem.retrieval.fusion import Ranked, Weights, fused

A, B, C = (passage(text, n, dense=0.1 * n) for n, text in enumerate(("one", "two", "three")))


def ids(found: tuple[object, ...]) -> list[int]:
    return [each.chunk.ordinal for each in found]  # type: ignore[attr-defined]


def test_what_both_lists_hold_comes_first_with_the_sum_of_its_ranks() -> None:
    found = fused((Ranked((A, B)), Ranked((C, B))), k=60, limit=10)
    assert ids(found) == [1, 0, 2]
    assert found[0].scores.fused == 2 / 61
    assert found[0].scores.dense == B.scores.dense


def test_a_list_counts_by_its_weight_and_a_small_k_lets_the_first_place_count_more() -> None:
    lists = (Ranked((A, B, C)), Ranked((C, B), 3.0))
    assert ids(fused(lists, k=60, limit=10)) == [2, 1, 0]
    # Second twice, or first once: a large k prefers the former, a small one the latter.
    lists = (Ranked((A, B)), Ranked((C, B)))
    assert ids(fused(lists, k=60, limit=1)) == [1]
    assert ids(fused(lists, k=1, limit=3)) == [0, 1, 2]


def test_weights_that_a_store_s_own_fusion_has() -> None:
    assert Weights().even
    assert Weights(2.0, 2.0).even
    assert not Weights(2.0, 1.0).even
    assert not Weights(k=10).even


LISTS = st.lists(
    st.tuples(st.lists(st.sampled_from((A, B, C)), unique=True), st.floats(0.1, 3)).map(lambda row: Ranked(*row)),
    max_size=4,
)


@given(LISTS, st.integers(1, 5))
def test_each_passage_once_best_first_and_never_more_than_wanted(lists: list[Ranked], limit: int) -> None:
    found = fused(lists, k=60, limit=limit)
    held = {each.chunk.id for one in lists for each in one.passages}
    assert len(found) == min(limit, len(held))
    assert len({each.chunk.id for each in found}) == len(found)
    sums = [each.scores.fused or 0.0 for each in found]
    assert sums == sorted(sums, reverse=True)
