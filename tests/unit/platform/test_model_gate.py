from typing import Any

import pytest

from tandem.pipeline.evaluation.run import Run
from tandem.platform.models.engine import Told
from tandem.platform.models.gate import Rule, judge
from tandem.platform.models.kept import Deployed, Kept
from tandem.platform.models.lineage import of_answer

TOLD = Told({"MODEL_ID": "org/m"}, None, None)
NEW, OLD = Deployed(-1, TOLD, model="m", version="b" * 40), Deployed(0, TOLD, model="m", version="a" * 40)
RULE = Rule("groundedness", 0.5, 0.02)


def run(version: str, mean: float | None, at_s: float = 1.0, **other: Any) -> Run:
    answers = {} if mean is None else {"groundedness": {"mean": mean}}
    told: dict[str, Any] = {
        "id": f"{version[:1]}{at_s:g}", "side": "a", "at_s": at_s, "tandem": "", "subject": "", "config": "", "set_name": "",
        "set_hash": "", "questions": 1, "limit": None, "seed": 0, "answers": True, "judge": "", "collections": (),
        "prompts": (), "models": (f"org/m@{version}",), "figures": {"answers": answers},
    }  # fmt: skip
    return Run(**told | other)


def refusals(runs: list[Run], rule: Rule = RULE, serving: Deployed | None = OLD, named: str | None = None) -> list[str]:
    return list(judge(NEW, serving, runs, rule, named=named, at=9.0).refusals)


def test_the_newest_run_of_each_counts() -> None:
    runs = [
        run(NEW.version, 0.1, 1.0),
        run(NEW.version, 0.9, 2.0),
        run(OLD.version, 0.99, 1.0),
        run(OLD.version, 0.9, 3.0),
    ]
    gate = judge(NEW, OLD, runs, RULE, named=None, at=9.0)
    assert (gate.refusals, gate.measure, gate.serving_measure) == ((), 0.9, 0.9)
    assert gate.runs == ("b2", "a3")


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([], "no run of m@"),
        ([run(OLD.version, 0.9)], "no run of m@"),
        ([run(NEW.version, 0.9, answers=False)], "no run of m@"),
        ([run(NEW.version, 0.9, limit=5)], "no run of m@"),
        ([run(NEW.version, 0.9, models=(f"org/m@{NEW.version}", "other"))], "no run of m@"),
        ([run(NEW.version, 0.9, models=())], "no run of m@"),
        ([run(NEW.version, None)], "has no groundedness"),
        ([run(NEW.version, 0.4)], "groundedness is 0.4000, below 0.5000"),
        ([run(NEW.version, 0.7), run(OLD.version, 0.73)], "the serving model has 0.7300 (it may fall by 0.0200)"),
        (
            [run(NEW.version, 0.7, figures={"answers": {"groundedness": {"mean": 0.7}}, "failed": {"overloaded": 2}})],
            "2 questions failed",
        ),
    ],
)
def test_what_holds_a_model_back(runs: list[Run], said: str) -> None:
    (found,) = refusals(runs)
    assert said in found


def test_it_may_fall_by_a_little() -> None:
    assert refusals([run(NEW.version, 0.7), run(OLD.version, 0.715)]) == []


def test_nothing_to_hold_it_against_is_no_pass() -> None:
    (said,) = refusals([run(NEW.version, 0.9)], Rule("groundedness", 0.0, 0.02), None)
    assert "nothing to hold it against" in said


def test_an_engine_that_tells_no_version_is_named_by_its_run() -> None:
    runs = [run("?", 0.9, 1.0, models=("tandem",))]
    assert refusals(runs, named=runs[0].id) == []
    assert "no run nobody" in refusals(runs, named="nobody")[0]


def test_an_answer_is_traced_by_revision_or_else_by_time() -> None:
    kept = Kept().with_new(OLD, 10.0).with_new(NEW, 20.0).switched(0, 30.0)
    assert kept.current == 0
    by_revision, first, second, back = (
        of_answer(kept, NEW.version, 0.0), of_answer(kept, None, 15.0), of_answer(kept, None, 25.0), of_answer(kept, None, 35.0),
    )  # fmt: skip
    assert [each.version if each else None for each in (by_revision, first, second, back)] == [
        NEW.version, OLD.version, NEW.version, OLD.version,
    ]  # fmt: skip
    assert of_answer(kept, None, 5.0) is None
    assert of_answer(kept, "c" * 40, 15.0) is None
    assert Kept(kept.current, kept.entries, kept.switches).text() == kept.text()
