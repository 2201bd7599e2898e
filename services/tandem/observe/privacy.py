"""What was taken out of texts, what was deleted, and what people thought of answers, counted."""

from tandem.observe.metrics import Metrics, PrivacyCounters


class PrivacyMetrics:
    """The meter of privacy over one process's metrics. Kinds are Tandem's own and those of the configured patterns."""

    def __init__(self, metrics: Metrics) -> None:
        self._counters = PrivacyCounters(metrics.registry)

    def redacted(self, kind: str, times: int) -> None:
        """So many of this kind were taken out."""
        self._counters.redacted.labels(kind).inc(times)

    def rated(self, rating: str) -> None:
        """Somebody thinks an answer good (up), bad (down), or neither (neutral)."""
        self._counters.rated.labels(rating).inc()

    def deleted(self, where: str, why: str, times: int) -> None:
        """So many answers or words of users were deleted there."""
        self._counters.deleted.labels(where, why).inc(times)
