"""The measures of this process's answers."""

from collections.abc import Sequence

from tandem.app.settings import Settings
from tandem.observe.metrics import Metrics
from tandem.pipeline.monitoring import Prepare


def scoring(settings: Settings, metrics: Metrics) -> Sequence[Prepare]:
    """What measures a record while it has its texts, when the settings want it."""
    if not settings.quality.scores:
        return ()
    from tandem.adapters.sources.languages import language_of
    from tandem.observe.quality import MeasuredScoring

    return (MeasuredScoring(language_of, metrics),)
