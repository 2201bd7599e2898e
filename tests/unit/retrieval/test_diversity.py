from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.passages import passage
from tandem.domain.passage import Passage
from tandem.retrieval.diversity import diversified, likeness

OPEN = passage("The harbour office opens at seven every morning", 0, rerank=1.0)
AGAIN = passage("Every morning at seven the harbour office opens", 1, rerank=0.9)
FERRY = passage("A ferry ticket costs four crowns", 2, rerank=0.5)


def ordinals(found: Sequence[Passage]) -> list[int]:
    return [each.chunk.ordinal for each in found]


def test_without_diversity_nothing_is_moved() -> None:
    assert list(diversified([OPEN, AGAIN, FERRY], 0.0)) == [OPEN, AGAIN, FERRY]


def test_what_says_the_same_again_goes_behind_what_adds_something() -> None:
    found = list(diversified([OPEN, AGAIN, FERRY], 0.7))
    assert ordinals(found) == [0, 2, 1]
    assert found[0].scores.marginal == pytest.approx(0.3)
    assert found[2].scores.marginal == pytest.approx(0.3 * 0.8 - 0.7)


def test_a_little_diversity_leaves_a_clear_order_as_it_is() -> None:
    assert ordinals(list(diversified([OPEN, AGAIN, FERRY], 0.1))) == [0, 1, 2]


def test_the_fused_score_ranks_where_nothing_was_reranked() -> None:
    plain = [
        passage("a harbour", 0, fused=0.1),
        passage("the harbour", 1, fused=0.09),
        passage("a ferry", 2, fused=0.0),
    ]
    assert ordinals(list(diversified(plain, 0.6))) == [0, 2, 1]


def test_likeness_is_of_words_whatever_their_endings() -> None:
    assert likeness(OPEN, AGAIN) == pytest.approx(1.0)
    assert likeness(OPEN, FERRY) == 0.0


@given(
    st.lists(st.tuples(st.sampled_from(("harbour", "ferry opens", "", "harbour ferry")), st.floats(-5, 5)), max_size=8),
    st.floats(0, 1),
)
def test_every_candidate_comes_once(rows: list[tuple[str, float]], diversity: float) -> None:
    candidates = [passage(text, n, rerank=score) for n, (text, score) in enumerate(rows)]
    assert sorted(ordinals(list(diversified(candidates, diversity)))) == list(range(len(candidates)))
