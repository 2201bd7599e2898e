"""Releases, counted."""

from tandem.observe.metrics import Metrics, ReleaseCounters
from tandem.pipeline.releases.judging import Decision
from tandem.pipeline.releases.shadowing import Replayed


class ReleaseMetrics:
    """The meters of `pipeline/releases/` over one process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._counters = ReleaseCounters(metrics.registry)

    def trying(self, weight: float) -> None:
        """The share of the conversations."""
        self._counters.weight.set(weight)

    def decided(self, decision: Decision) -> None:
        """By the policy, here."""
        self._counters.decisions.labels(decision).inc()

    def shadowed(self, how: Replayed) -> None:
        """One question answered once more."""
        self._counters.shadows.labels(how).inc()
