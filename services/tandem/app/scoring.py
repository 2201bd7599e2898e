"""The measures of this process's answers, and the judge of some of them."""

from collections.abc import Sequence

from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.observe.metrics import Metrics
from tandem.observe.quality import JudgeMetrics
from tandem.pipeline.dispatching import Dispatch
from tandem.pipeline.monitoring import Prepare
from tandem.pipeline.quality.judging import JudgePolicy, Judging, Unplaced, Verdicts
from tandem.pipeline.quality.scores import Scoring
from tandem.pipeline.shipping import Pace
from tandem.ports.sink import Sink

_TOGETHER = 8


def scoring(settings: Settings, metrics: Metrics) -> Sequence[Prepare]:
    """What measures a record while it has its texts, when the settings want it."""
    if not settings.quality.scores:
        return ()
    from tandem.adapters.sources.languages import language_of
    from tandem.observe.quality import MeasuredScoring

    return (MeasuredScoring(language_of, metrics),)


def unseen(settings: Settings) -> Prepare:
    """The same for answers that nobody saw: no metric tells of them."""
    if not settings.quality.scores:
        return lambda record: record
    from tandem.adapters.sources.languages import language_of

    return Scoring(language_of)


def judging(
    settings: Settings, dispatch: Dispatch, verdicts: Verdicts, metrics: Metrics
) -> Sequence[tuple[Sink, Pace]]:
    """The judge, when there is a pool for it."""
    chosen = settings.quality.judge
    if chosen.pool is None:
        return ()
    policy = JudgePolicy(
        chosen.pool, chosen.share, chosen.per_minute, chosen.tokens_per_day, chosen.cost_per_day, chosen.timeout_s
    )
    # A batch that is given up is judged again, which costs.
    pace = Pace(most=_TOGETHER, timeout_s=_TOGETHER * (chosen.timeout_s + 10.0))
    if not settings.monitor.receipts.enabled:
        verdicts = Unplaced()
    return ((Judging(dispatch, policy, verdicts, JudgeMetrics(metrics), SystemClock()), pace),)
