"""Texts of like length run together."""

from hypothesis import given
from hypothesis import strategies as st

from tandem.adapters.embeddings.batches import batches


@given(st.lists(st.integers(1, 256), max_size=80), st.integers(1, 600))
def test_every_text_once_and_within_the_budget(lengths: list[int], budget: int) -> None:
    made = list(batches(lengths, budget))
    assert sorted(position for batch in made for position in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[each] for each in batch) <= budget


def test_like_lengths_share_a_batch() -> None:
    assert list(batches([100, 2, 101, 3], budget=202)) == [(1, 3), (0, 2)]


def test_a_text_over_the_budget_runs_alone() -> None:
    assert list(batches([5, 700, 6], budget=512)) == [(0, 2), (1,)]


def test_no_more_rows_than_a_server_takes() -> None:
    assert [len(batch) for batch in batches([3] * 7, budget=512, rows=3)] == [3, 3, 1]
