import pytest

from tandem.retrieval.pace import Pace
from tandem.retrieval.plan import EMBED, RERANK, SEARCH, SELECT, Stage, left_out

ALL = (EMBED, SEARCH, RERANK, SELECT)


def assumed(stage: Stage) -> float:
    return {"embed": 0.05, "search": 0.02, "rerank": 0.3, "select": 0.01}[stage.name]


@pytest.mark.parametrize(
    ("left_s", "gone"),
    [
        (None, ()),
        (10.0, ()),
        (0.381, ()),
        (0.37, (RERANK,)),
        (0.081, (RERANK,)),
        (0.07, (RERANK, EMBED)),
        (0.0, (RERANK, EMBED)),
    ],
)
def test_stages_go_in_their_order_until_the_rest_fits(left_s: float | None, gone: tuple[Stage, ...]) -> None:
    assert left_out(left_s, ALL, assumed) == gone


def test_only_what_is_ahead_can_go() -> None:
    assert left_out(0.0, (RERANK, SELECT), assumed) == (RERANK,)
    assert left_out(0.04, (EMBED, SEARCH), assumed) == (EMBED,)


def test_until_it_was_measured_a_stage_needs_what_is_assumed() -> None:
    assert Pace().needs_s(RERANK) == RERANK.assumed_s


def test_a_steady_stage_needs_hardly_more_than_it_takes() -> None:
    pace = Pace()
    for _ in range(60):
        pace.took(EMBED, 0.008)
    assert pace.needs_s(EMBED) == pytest.approx(0.008, rel=0.01)
    assert pace.needs_s(SEARCH) == SEARCH.assumed_s


def test_a_cold_first_run_does_not_rule_a_stage_out() -> None:
    pace = Pace()
    pace.took(EMBED, 0.4)
    assert pace.needs_s(EMBED) < 0.6
    for _ in range(8):
        pace.took(EMBED, 0.008)
    assert pace.needs_s(EMBED) < 0.3


def test_nearly_all_runs_of_an_unsteady_stage_are_covered() -> None:
    pace, over = Pace(), 0
    for n in range(400):
        took = 0.01 + 0.01 * ((n * 7919) % 101) / 100
        over += n > 20 and took > pace.needs_s(EMBED)
        pace.took(EMBED, took)
    assert over == 0


def test_a_stage_that_slows_down_is_followed_within_a_few_runs() -> None:
    pace = Pace()
    for took in [0.01] * 50 + [0.2] * 4:
        pace.took(EMBED, took)
    assert pace.needs_s(EMBED) > 0.2


def test_a_stage_that_is_left_out_is_tried_again_some_day() -> None:
    pace = Pace()
    for _ in range(10):
        pace.took(RERANK, 5.0)
    skipped = 0
    while pace.needs_s(RERANK) > 0.5:
        pace.skipped(RERANK)
        skipped += 1
    assert 10 < skipped < 100


def test_also_one_that_was_never_begun() -> None:
    pace = Pace()
    pace.skipped(RERANK)
    assert 0 < pace.needs_s(RERANK) < RERANK.assumed_s
