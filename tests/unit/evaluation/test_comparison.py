import pytest

from tandem.pipeline.evaluation.comparison import compare
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.verdicts import verdict
from tandem.retrieval.metrics import NAMES
from tandem.retrieval.significance import Difference


def row(
    n: int, value: float, *, stage: str = "reranked", abstained: bool | None = None, failed: str | None = None
) -> Row:
    return Row(
        f"q{n:02}", "?", answerable=True, abstained=abstained, failed=failed,
        stages={"fused": dict.fromkeys(NAMES, 0.0), stage: dict.fromkeys(NAMES, value)},
    )  # fmt: skip


def test_the_last_stage_of_each_is_compared_over_the_questions_that_both_answered() -> None:
    first = [*(row(n, 0.2) for n in range(30)), row(30, 0.0, failed="upstream_failed"), row(31, 0.5)]
    second = [*(row(n, 0.5, stage="fused") for n in range(30)), row(30, 1.0), row(31, 0.5)]
    found = compare(first, second)
    assert found.metrics.keys() == set(NAMES)
    assert found.metrics["ndcg@10"].questions == 31
    assert found.metrics["ndcg@10"].mean == pytest.approx(30 * 0.3 / 31)
    assert found.metrics["ndcg@10"].significant
    assert [query for query, _ in found.changed] == [f"q{n:02}" for n in range(30)]
    assert found.worse == ()
    assert compare(second, first).worse == NAMES
    assert found.told("ndcg@10").startswith("b is better on nDCG@10: +.290 (95 % CI ")
    body = found.body()
    assert body["metrics"]["ndcg@10"]["verdict"] == found.told("ndcg@10")
    assert body["changed"][0] == {"question": "q00", "by": 0.3}


def test_abstaining_rightly_is_compared_where_answers_were_asked_for() -> None:
    found = compare([row(n, 1.0, abstained=True) for n in range(20)], [row(n, 1.0, abstained=False) for n in range(20)])
    assert found.metrics["right_to_answer"].mean == 1.0
    assert "right_to_answer" not in compare([row(1, 1.0)], [row(1, 1.0)]).metrics


def test_nothing_in_common_is_no_comparison() -> None:
    found = compare([row(1, 1.0)], [row(2, 1.0)])
    assert (found.metrics, found.changed) == ({}, ())


def test_verdicts_are_lines_for_people() -> None:
    better = Difference(0.0118, 0.003, 0.021, 0.01, 0.01, 595)
    assert verdict("ndcg@10", better) == "b is better on nDCG@10: +.012 (95 % CI .003 … .021, p .01)"
    worse = Difference(-0.2, -0.3, -0.1, 1e-4, 4e-4, 595)
    assert verdict("recall@5", worse) == "b is worse on recall@5: −.200 (95 % CI −.300 … −.100, p < .001)"
    told = verdict("ndcg@10", worse, who="fused", whom="dense")
    assert told.startswith("fused is worse than dense on nDCG@10: −.200")
    unclear = Difference(0.001, -0.0001, 1.0, 0.7, 1.0, 595)
    assert verdict("groundedness", unclear) == "no difference shown on groundedness: +.001 (95 % CI .000 … 1.000, p 1)"
    between = verdict("ndcg@10", unclear, who="fused", whom="dense")
    assert between.startswith("no difference shown between fused and dense on nDCG@10: +.001")
