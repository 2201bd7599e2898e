"""Jobs, counted."""

import asyncio
from collections import Counter

from tandem.domain.errors import TandemError
from tandem.domain.job import ANSWERS
from tandem.observe.metrics import Metrics
from tandem.ports.batches import Batches
from tandem.ports.jobs import Jobs

_LOOK_S = 15.0


class JobMetrics:
    """`pipeline/jobs/attempt.py`'s meter over one process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def ended(self, status: str) -> None:
        """For good."""
        self._metrics.jobs.labels(status).inc()

    def put_back(self, reason: str) -> None:
        """To be tried again."""
        self._metrics.jobs_put_back.labels(reason).inc()

    def waited(self, seconds: float) -> None:
        """Until the first attempt."""
        self._metrics.job_wait.observe(seconds)


async def watch_depth(jobs: Jobs, batches: Batches, metrics: Metrics) -> None:
    """How many wait and run, looked up now and then: every process that shares the store tells the same."""
    while True:
        try:
            counts: Counter[tuple[str, str]] = Counter({(ANSWERS, state): 0 for state in ("ready", "later", "running")})
            for depth in await jobs.depth():
                # A batch may have a queue of its own: its name would be a series.
                queue = depth.queue.partition("/")[0]
                counts[queue, "ready"] += depth.ready
                counts[queue, "later"] += depth.later
                counts[queue, "running"] += depth.running
            metrics.jobs_queued.clear()
            for (queue, state), count in counts.items():
                metrics.jobs_queued.labels(queue, state).set(count)
            going = await batches.going()
            metrics.batches_open.clear()
            for status, count in going.items():
                metrics.batches_open.labels(status).set(count)
        except TandemError:
            # What it was is no longer true, and what it is nobody knows.
            metrics.jobs_queued.clear()
            metrics.batches_open.clear()
        await asyncio.sleep(_LOOK_S)
