"""May this model serve: its runs of `tandem eval` on the golden questions, against those of the model that serves."""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.pipeline.evaluation.run import Run
from tandem.platform.models.kept import Deployed, Gate


@dataclass(frozen=True, slots=True)
class Rule:
    """`metric` of the answers may fall by `max_drop` against the serving model's and not below `min_measure`."""

    metric: str
    min_measure: float
    max_drop: float


def judge(
    candidate: Deployed, serving: Deployed | None, runs: Sequence[Run], rule: Rule, *, named: str | None, at: float
) -> Gate:
    """By the newest run of each. A run counts for a model when it names its version, or, as `named`, when somebody says so:
    not every engine tells which version it serves.
    """
    ours = next((run for run in runs if run.id == named), None) if named else newest(runs, candidate.version)
    if ours is None:
        told = (
            f"there is no run {named} on the golden questions"
            if named
            else f"no run of {candidate.name} on all golden questions"
        )
        return Gate(at, rule.metric, refusals=(told,))
    theirs = None if serving is None or not serving.version else newest(runs, serving.version)
    measure, rival = measured(ours, rule.metric), None if theirs is None else measured(theirs, rule.metric)
    return Gate(
        at,
        rule.metric,
        measure,
        rival,
        tuple(run.id for run in (ours, theirs) if run is not None),
        tuple(_refusals(ours, measure, rival, rule)),
    )


def newest(runs: Sequence[Run], version: str) -> Run | None:
    """Of answers to every question, all by this version."""
    able = [run for run in runs if run.answers and run.limit is None and _only(run, version)]
    return max(able, key=lambda run: run.at_s, default=None)


def _only(run: Run, version: str) -> bool:
    return bool(run.models) and all(model.rpartition("@")[2] == version for model in run.models)


def measured(run: Run, metric: str) -> float | None:
    """The mean; None where it was not measured."""
    found = run.figures.get("answers", {}).get(metric)
    return None if found is None else float(found["mean"])


def _refusals(run: Run, measure: float | None, rival: float | None, rule: Rule) -> list[str]:
    if not run.answers or run.limit is not None:
        return [f"the run {run.id} is not of answers to all questions"]
    if measure is None:
        return [f"the run {run.id} has no {rule.metric}"]
    refusals = []
    if failed := sum(run.figures.get("failed", {}).values()):
        refusals.append(f"{failed} questions failed in the run {run.id}")
    if measure < rule.min_measure:
        refusals.append(f"{rule.metric} is {measure:.4f}, below {rule.min_measure:.4f}")
    if rival is not None and measure < rival - rule.max_drop:
        refusals.append(
            f"{rule.metric} is {measure:.4f}, the serving model has {rival:.4f} (it may fall by {rule.max_drop:.4f})"
        )
    if rival is None and not rule.min_measure:
        refusals.append(
            "there is nothing to hold it against: measure the serving model as well, or set gate.min_measure"
        )
    return refusals
