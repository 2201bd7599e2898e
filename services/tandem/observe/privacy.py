"""What was taken out of texts, and what was deleted, counted."""

from prometheus_client import Counter

from tandem.observe.metrics import Metrics, PrivacyCounters


class PrivacyMetrics:
    """The meter of privacy over one process's metrics. Kinds are Tandem's own and those of the configured patterns."""

    def __init__(self, metrics: Metrics) -> None:
        self._counters = PrivacyCounters(metrics.registry)

    def redacted(self, kind: str, times: int) -> None:
        """So many of this kind were taken out."""
        _count(self._counters.redacted.labels(kind), times)

    def deleted(self, where: str, why: str, times: int) -> None:
        """So many answers or words of users were deleted there."""
        _count(self._counters.deleted.labels(where, why), times)


def _count(counter: Counter, times: int) -> None:
    counter.inc(times)
