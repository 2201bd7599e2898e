"""What becomes of spans and metrics that are sent to a collector, counted; failures are told in a line now and then."""

import logging

from tandem.observe.metrics import Metrics
from tandem.ports.clock import Clock

_log = logging.getLogger("tandem.telemetry")
_AGAIN_S = 60.0


class ExportMetrics:
    """Of one signal: `traces` or `metrics`."""

    def __init__(self, metrics: Metrics, signal: str, clock: Clock) -> None:
        self._metrics = metrics
        self._signal = signal
        self._clock = clock
        self._told_s = float("-inf")

    def sent(self, number: int) -> None:
        """A receiver took them."""
        self._metrics.telemetry_sent.labels(self._signal).inc(number)

    def lost(self, number: int, reason: str) -> None:
        """Nobody gets them."""
        self._metrics.telemetry_lost.labels(self._signal, reason).inc(number)

    def failed(self, why: str) -> None:
        """An attempt to send. A collector that is away for hours is told of once a minute."""
        self._metrics.telemetry_failures.labels(self._signal).inc()
        now_s = self._clock.monotonic_s()
        if now_s - self._told_s >= _AGAIN_S:
            self._told_s = now_s
            _log.warning("%s are not taken: %s", self._signal, why)

    def waiting(self, number: int) -> None:
        """So many are kept now."""
        self._metrics.telemetry_waiting.set(number)
