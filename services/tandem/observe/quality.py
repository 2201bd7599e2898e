"""The quality of answers, as metrics."""

from collections.abc import Mapping

from tandem.domain.record import AnswerRecord
from tandem.observe.metrics import Metrics
from tandem.pipeline.quality.judging import Looked
from tandem.pipeline.quality.scores import LanguageOf, Scoring


class MeasuredScoring:
    """`pipeline/quality/scores.py`, counted as well."""

    def __init__(self, language_of: LanguageOf, metrics: Metrics) -> None:
        self._scoring = Scoring(language_of)
        self._metrics = metrics

    def __call__(self, record: AnswerRecord) -> AnswerRecord:
        """The record with its scores."""
        scored = self._scoring(record)
        for measure, value in scored.scores.items():
            self._metrics.answer_quality.labels(measure).observe(value)
        return scored


class JudgeMetrics:
    """`pipeline/quality/judging.py`'s meter over one process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def looked(self, how: Looked) -> None:
        """What became of one that was sampled."""
        self._metrics.judgements.labels(how).inc()

    def spent(self, tokens: int, cost: float) -> None:
        """What a judgement took."""
        self._metrics.judge_tokens.inc(tokens)
        self._metrics.judge_cost.inc(cost)

    def scored(self, scores: Mapping[str, float]) -> None:
        """What it said."""
        for measure, value in scores.items():
            self._metrics.answer_quality.labels(measure).observe(value)
