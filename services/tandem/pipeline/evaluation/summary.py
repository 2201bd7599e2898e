"""From the rows of a run to its figures: means with confidence intervals, counts, and times."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tandem.pipeline.evaluation.answers import MEASURES
from tandem.pipeline.evaluation.rows import STAGES, Row
from tandem.pipeline.evaluation.verdicts import verdict, wire
from tandem.retrieval.labelled import LabelledSet
from tandem.retrieval.metrics import NAMES, estimate
from tandem.retrieval.significance import corrected, difference

_METRIC = "ndcg@10"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Per stage each metric's mean and interval; `refused` are shares of questions for which nothing relevant was found.

    `gains` hold how much better on nDCG@10 the last stage is than each one before it, question by question.
    `served.hit` is the share of answerable questions with a relevant document in the prompt. `answers` holds each measure's
    mean, interval and number of questions that it could be taken of; `abstained` shares are those of the answers. `lost`
    counts the stages that lost what answers a question. `seconds` and `tokens` hold p50, p95 and mean by name. `cached`
    answers were kept from before, so that their times say nothing of the model. `failed`
    counts error codes: these questions are in no figure.
    """

    name: str
    documents: int
    queries: int
    stages: dict[str, dict[str, Any]]
    gains: dict[str, dict[str, Any]]
    refused_answerable: float | None
    refused_unanswerable: float | None
    served: dict[str, Any]
    answers: dict[str, dict[str, Any]]
    abstained_answerable: float | None
    abstained_unanswerable: float | None
    lost: dict[str, int]
    seconds: dict[str, dict[str, float]]
    tokens: dict[str, dict[str, float]]
    cached: int
    failed: dict[str, int]

    def body(self) -> dict[str, Any]:
        """As `tandem eval -o json` prints it."""
        return asdict(self)

    @property
    def final(self) -> str:
        """The last stage of the ranking; empty where no question was judged."""
        return next((stage for stage in reversed(STAGES) if stage in self.stages), "")


def summarise(labelled: LabelledSet, rows: Sequence[Row]) -> Evaluation:
    """The rows are those of one run over `labelled`, each question once."""
    told = [row for row in rows if row.failed is None]
    judged = [row for row in told if row.answerable]
    foreign = [row for row in told if not row.answerable]
    stages = [stage for stage in STAGES if any(stage in row.stages for row in judged)]
    return Evaluation(
        name=labelled.name,
        documents=len(labelled.documents),
        queries=len(rows),
        # A stage that was left out for a question, for want of time say, is told by the questions that have it.
        stages={stage: _metrics([row.stages[stage] for row in judged if stage in row.stages]) for stage in stages},
        gains=_gains(judged, stages),
        refused_answerable=_share(judged, lambda row: row.refused),
        refused_unanswerable=_share(foreign, lambda row: row.refused),
        served=_served(judged),
        answers=_measures(told),
        abstained_answerable=_share([row for row in judged if row.abstained is not None], lambda row: row.abstained),
        abstained_unanswerable=_share([row for row in foreign if row.abstained is not None], lambda row: row.abstained),
        lost=dict(Counter(row.lost for row in judged if row.lost).most_common()),
        seconds=_spread([row.seconds for row in told], 4),
        tokens=_spread([row.tokens for row in told if row.tokens], 1),
        cached=sum(row.cached for row in told),
        failed=dict(Counter(row.failed for row in rows if row.failed).most_common()),
    )


def _metrics(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    estimates = {name: estimate([each[name] for each in found]) for name in NAMES}
    means = {name: round(one.mean, 4) for name, one in estimates.items()}
    return {**means, "ci": {name: [round(one.low, 4), round(one.high, 4)] for name, one in estimates.items()}}


def _gains(judged: Sequence[Row], stages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The last stage against each before it, over the questions that have both; corrected for all of them together."""
    if not stages:
        return {}
    *before, last = stages
    found = {}
    for stage in before:
        # A stage may have been left out for want of time.
        pairs = [
            (row.stages[stage][_METRIC], row.stages[last][_METRIC])
            for row in judged
            if {stage, last} <= row.stages.keys()
        ]
        if pairs:
            found[stage] = difference([one for one, _ in pairs], [other for _, other in pairs])
    return {stage: wire(one, verdict(_METRIC, one, who=last, whom=stage)) for stage, one in corrected(found).items()}


def _served(judged: Sequence[Row]) -> dict[str, Any]:
    hits = [float(bool(set(row.relevant).intersection(row.found))) for row in judged]
    return {"hit": _measure(hits)} if hits else {}


def _measures(told: Sequence[Row]) -> dict[str, dict[str, Any]]:
    values = {name: [row.measures[name] for row in told if name in row.measures] for name in MEASURES}
    return {name: _measure(found) for name, found in values.items() if found}


def _measure(values: Sequence[float]) -> dict[str, Any]:
    found = estimate(values)
    return {
        "mean": round(found.mean, 4),
        "ci": [round(found.low, 4), round(found.high, 4)],
        "questions": len(values),
    }


def _share(rows: Sequence[Row], of: Callable[[Row], bool | None]) -> float | None:
    return round(sum(bool(of(row)) for row in rows) / len(rows), 4) if rows else None


def _spread(found: Iterable[Mapping[str, float]], digits: int) -> dict[str, dict[str, float]]:
    values: dict[str, list[float]] = {}
    for each in found:
        for name, value in each.items():
            values.setdefault(name, []).append(value)
    return {
        name: {
            "p50": round(float(np.quantile(each, 0.5)), digits),
            "p95": round(float(np.quantile(each, 0.95)), digits),
            "mean": round(float(np.mean(each)), digits),
        }
        for name, each in values.items()
    }
