"""Rounds of synchronisation, counted and told in a line each."""

import logging

from tandem.domain.document import IngestStatus
from tandem.domain.errors import TandemError, UpstreamFailed
from tandem.ingestion.progress import SyncReport
from tandem.observe.metrics import Metrics
from tandem.pipeline.untraced import UNTRACED
from tandem.ports.clock import Clock
from tandem.ports.tracer import Tracer

_log = logging.getLogger("tandem.worker")
_STATUSES: tuple[IngestStatus, ...] = ("added", "updated", "unchanged", "removed", "failed")


class MeasuredRounds:
    """`pipeline/rounds.py`'s meter."""

    def __init__(self, metrics: Metrics, clock: Clock, tracer: Tracer = UNTRACED) -> None:
        self._metrics = metrics
        self._clock = clock
        self._tracer = tracer

    def ended(self, source: str, outcome: str, seconds: float) -> None:
        """Counted; a round that saw everything moves the time of the last success."""
        self._metrics.sync_rounds.labels(source, outcome).inc()
        self._metrics.sync_seconds.labels(source).observe(seconds)
        told = {"tandem.source": source, "tandem.outcome": outcome}
        self._tracer.past("synchronise", seconds, told, "failed" if outcome == "failed" else None)
        if outcome in {"complete", "partial"}:
            self._metrics.sync_last.labels(source).set(self._clock.epoch_s())

    def done(self, source: str, report: SyncReport) -> None:
        """One line, and one for each of the first documents that failed."""
        counts: dict[str, object] = {status: report.count(status) for status in _STATUSES if report.count(status)}
        _log.info("synchronised", extra={"source": source, "chunks": report.chunks, **counts})
        for outcome in report.failed[:20]:
            _log.warning(
                "document failed",
                extra={"source": source, "document": outcome.document_id, "reason": outcome.reason},
            )

    def failed(self, source: str, error: TandemError, again_s: float) -> None:
        """A line that says what to do."""
        _log.error(
            "synchronisation failed",
            extra={"source": source, "error": _said(error), "hint": error.hint, "again_in_s": again_s},
        )


def _said(error: TandemError) -> str:
    """Its message, unless that may quote what another server was sent."""
    return f"the other side failed ({error.code})" if isinstance(error, UpstreamFailed) else error.message
