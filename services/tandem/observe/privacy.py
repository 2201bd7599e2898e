"""What was taken out of texts, what was deleted, and what people thought of answers, counted."""

from prometheus_client import CollectorRegistry, Counter

from tandem.observe.metrics import Metrics


class PrivacyCounters:
    """What was taken out of texts and what was deleted, in the registry of a process that keeps answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.redacted = Counter(
            "tandem_redactions", "Things taken out of kept texts, by kind.", ["kind"], registry=registry
        )
        self.deleted = Counter(
            "tandem_privacy_deleted",
            "What was deleted (receipts, feedback, parquet, spool) for its age or at a user's wish.",
            ["where", "why"],
            registry=registry,
        )
        self.rated = Counter(
            "tandem_feedback",
            "Opinions of answers: up, down or neutral; of one person and answer only the first is counted.",
            ["rating"],
            registry=registry,
        )


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
