import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.retrieval.metrics import NAMES, estimate, scores

RANKING = ["a", "b", "c", "d"]


def test_figures_by_hand() -> None:
    found = scores(RANKING, {"b": 1, "d": 2, "z": 1})
    gained = 1 / math.log2(3) + 2 / math.log2(5)
    ideal = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["ndcg@10"] == pytest.approx(gained / ideal)
    assert found["mrr@10"] == 1 / 2
    assert [found[f"recall@{k}"] for k in (1, 5, 10)] == [0, pytest.approx(2 / 3), pytest.approx(2 / 3)]


def test_what_stands_behind_the_tenth_place_does_not_count() -> None:
    found = scores([*map(str, range(10)), "late"], {"late": 1})
    assert set(found.values()) == {0.0}
    assert scores([], {"a": 1})["ndcg@10"] == 0.0


@given(st.permutations("abcdefghijkl"), st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(1, 3), min_size=1))
def test_figures_are_shares_and_the_ideal_ranking_is_the_best(ranking: list[str], gains: dict[str, int]) -> None:
    found = scores(ranking, gains)
    assert tuple(found) == NAMES
    assert all(0 <= value <= 1 + 1e-9 for value in found.values())
    assert found["recall@1"] <= found["recall@5"] <= found["recall@10"]
    ideal = sorted(ranking, key=lambda each: -gains.get(each, 0))
    assert scores(ideal, gains)["ndcg@10"] == pytest.approx(1)


def test_intervals_hold_the_mean_shrink_with_more_questions_and_repeat() -> None:
    few, many = estimate([0.0, 1.0] * 10), estimate([0.0, 1.0] * 1000)
    assert few.low < few.mean == 0.5 < few.high
    assert many.high - many.low < few.high - few.low
    # A share of 1/2 among 2000: half the interval is 1.96 * 0.5 / sqrt(2000).
    assert (many.high - many.low) / 2 == pytest.approx(0.0219, abs=0.003)
    assert estimate([0.0, 1.0] * 10) == few
    assert estimate([1.0, 1.0]).low == estimate([1.0, 1.0]).high == 1.0
