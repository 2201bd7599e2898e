"""`--fail-under METRIC=VALUE`: what a run must reach, or the command ends with exit code 1."""

from collections.abc import Sequence
from dataclasses import dataclass

import typer

from tandem.pipeline.evaluation.answers import MEASURES
from tandem.pipeline.evaluation.rows import STAGES
from tandem.pipeline.evaluation.summary import Evaluation
from tandem.retrieval.metrics import NAMES

_FLAG = "--fail-under"


@dataclass(frozen=True, slots=True)
class Threshold:
    """`stage` is empty for the last one that ranks, and for measures of answers."""

    stage: str
    metric: str
    least: float

    @property
    def name(self) -> str:
        """As it was written."""
        return f"{self.stage}:{self.metric}" if self.stage else self.metric

    def value(self, found: Evaluation) -> float | None:
        """What the run reached, None where that was not measured."""
        if self.metric in NAMES:
            stage = found.stages.get(self.stage or found.final)
            return None if stage is None else float(stage[self.metric])
        if self.metric == "hit":
            return float(found.served["hit"]["mean"]) if found.served else None
        measure = found.answers.get(self.metric)
        return None if measure is None else float(measure["mean"])


def thresholds(told: Sequence[str], *, answers: bool) -> list[Threshold]:
    """Raises `typer.BadParameter` for a metric that there is none of, before anything is measured."""
    return [_threshold(each, answers=answers) for each in told]


def _threshold(told: str, *, answers: bool) -> Threshold:
    name, _, value = told.partition("=")
    stage, colon, metric = name.strip().rpartition(":")
    if (colon and (stage not in STAGES or metric not in NAMES)) or metric not in (*NAMES, *MEASURES, "hit"):
        raise typer.BadParameter(
            f"no metric {name!r}; there are {', '.join((*NAMES, 'hit', *MEASURES))}, "
            f"those of the ranking also of one stage ({', '.join(STAGES)}), such as dense:recall@10",
            param_hint=_FLAG,
        )
    if metric in MEASURES and not answers:
        raise typer.BadParameter(f"{metric} is measured only with --answers", param_hint=_FLAG)
    try:
        least = float(value)
    except ValueError:
        least = -1.0
    if not 0 <= least <= 1:
        raise typer.BadParameter(f"{told!r} needs a value from 0 to 1, such as ndcg@10=.8", param_hint=_FLAG)
    return Threshold(stage, metric, least)


def missed(found: Evaluation, wanted: Sequence[Threshold]) -> list[str]:
    """One line for each threshold that was not reached; what could not be measured was not reached."""
    lines = []
    for each in wanted:
        value = each.value(found)
        if value is None or value < each.least:
            lines.append(f"{each.name} is {'not measured' if value is None else f'{value:.4f}'}, under {each.least:g}")
    return lines
