"""Releases, counted."""

from typing import get_args

from tandem.domain.release import BASE, Book
from tandem.observe.metrics import Metrics, ReleaseCounters
from tandem.pipeline.releases.judging import Decision
from tandem.pipeline.releases.shadowing import Replayed


class ReleaseMetrics:
    """The meters of `pipeline/releases/` over one process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._counters = ReleaseCounters(metrics.registry)
        # Series from the beginning, so that the first one counted is seen as a growth.
        for decision in ("promote", "roll_back"):
            self._counters.decisions.labels(decision)
        for replayed in get_args(Replayed):
            self._counters.shadows.labels(replayed)
        self._named: frozenset[tuple[str, str]] = frozenset()

    def trying(self, weight: float) -> None:
        """The share of the conversations."""
        self._counters.weight.set(weight)

    def seen(self, book: Book) -> None:
        """What serves and what is tried; series of others end, so that there are two at most."""
        named = {(BASE if book.serving is None else book.serving.name, "serving")}
        if (tried := book.candidate) is not None:
            named.add((tried.name, tried.state if tried.state == "promoting" else tried.mode))
        for release, state in self._named - named:
            self._counters.info.remove(release, state)
        for release, state in named - self._named:
            self._counters.info.labels(release, state).set(1)
        self._named = frozenset(named)

    def decided(self, decision: Decision) -> None:
        """By the policy, here."""
        self._counters.decisions.labels(decision).inc()

    def shadowed(self, how: Replayed) -> None:
        """One question answered once more."""
        self._counters.shadows.labels(how).inc()
