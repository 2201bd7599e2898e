import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.retrieval.significance import Difference, corrected, difference

shares = st.floats(0, 1, allow_nan=False)
pairs = st.lists(st.tuples(shares, shares), min_size=1, max_size=12)


def test_figures_by_hand() -> None:
    # Of the sixteen sign patterns of four equal differences two are as far from zero as the one seen.
    found = difference([0.0] * 4, [0.5] * 4)
    assert (found.mean, found.low, found.high, found.questions) == (0.5, 0.5, 0.5, 4)
    assert found.p == pytest.approx(2 / 16, abs=0.01)
    assert not found.significant


def test_many_questions_that_are_all_better_are_no_chance() -> None:
    found = difference([0.0] * 40, [0.1] * 40)
    assert found.p == pytest.approx(1 / 10_001)
    assert found.significant


def test_what_is_alike_is_not_different() -> None:
    found = difference([0.2, 0.7, 1.0], [0.2, 0.7, 1.0])
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 0.0])])
def test_values_that_are_no_pairs_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="paired"):
        difference(first, second)


@settings(max_examples=25, deadline=None)
@given(pairs)
def test_the_interval_holds_the_mean_and_p_is_a_share(values: list[tuple[float, float]]) -> None:
    found = difference([a for a, _ in values], [b for _, b in values])
    assert found.low <= found.mean <= found.high
    assert found.low >= -1
    assert found.high <= 1
    assert 0 < found.p <= 1


@settings(max_examples=15, deadline=None)
@given(pairs, st.randoms())
def test_the_order_of_the_questions_makes_no_difference(values: list[tuple[float, float]], random: object) -> None:
    mixed = list(values)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    there, mixed_up = ([list(side) for side in zip(*each, strict=True)] for each in (values, mixed))
    assert difference(there[0], there[1]) == difference(mixed_up[0], mixed_up[1])


@settings(max_examples=15, deadline=None)
@given(pairs)
def test_the_other_way_round_it_is_the_opposite(values: list[tuple[float, float]]) -> None:
    first, second = ([pair[side] for pair in values] for side in (0, 1))
    there, back = difference(first, second), difference(second, first)
    assert there.mean == pytest.approx(-back.mean)
    # Other random signs for the same question: alike up to the error of sampling.
    assert there.p == pytest.approx(back.p, abs=0.05)


def test_holm_by_hand() -> None:
    told = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5}
    found = corrected({name: Difference(0.1, 0.0, 0.2, p, p, 9) for name, p in told.items()})
    # 4 · .01, then 3 · .03, then 2 · .04 but no less than the one before, then 1 · .5.
    assert {name: one.adjusted for name, one in found.items()} == pytest.approx(
        {"a": 0.04, "c": 0.09, "b": 0.09, "d": 0.5}
    )
    assert [name for name, one in found.items() if one.significant] == ["a"]
    assert list(found) == list(told)


def test_what_nobody_moved_makes_nothing_else_less_sure() -> None:
    alike = difference([0.5, 0.5], [0.5, 0.5])
    found = corrected({"a": Difference(0.1, 0.0, 0.2, 0.02, 0.02, 9), "b": alike, "c": alike})
    assert (found["a"].adjusted, found["b"].adjusted) == (0.02, 1.0)


@given(st.dictionaries(st.text(max_size=3), shares, max_size=8))
def test_a_corrected_p_is_no_smaller_and_keeps_the_order(told: dict[str, float]) -> None:
    found = corrected({name: Difference(0.0, -0.1, 0.1, p, p, 1) for name, p in told.items()})
    assert all(one.p <= one.adjusted <= 1 for one in found.values())
    ordered = sorted(found.values(), key=lambda one: one.p)
    assert [one.adjusted for one in ordered] == sorted(one.adjusted for one in ordered)
