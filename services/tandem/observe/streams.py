"""Questions of streams, counted."""

from tandem.observe.metrics import Metrics


class StreamMetrics:
    """`pipeline/streams/attempt.py`'s meter over one process's metrics, for the stream `name`."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._metrics = metrics
        self._name = name
        self.opened(up=False)

    def ended(self, outcome: str, seconds: float) -> None:
        """There for all to see."""
        self._metrics.stream_questions.labels(self._name, outcome).inc()
        self._metrics.stream_seconds.labels(self._name).observe(seconds)

    def put_back(self, reason: str) -> None:
        """To be tried again."""
        self._metrics.stream_put_back.labels(self._name, reason).inc()

    def look(self, taken: int, behind: int) -> None:
        """Now."""
        self._metrics.stream_taken.labels(self._name).set(taken)
        self._metrics.stream_behind.labels(self._name).set(behind)

    def opened(self, *, up: bool) -> None:
        """A stream that is not open says nothing of what lies in it."""
        self._metrics.stream_open.labels(self._name).set(up)
        if not up:
            self._metrics.stream_taken.labels(self._name).set(0)
            self._metrics.stream_behind.labels(self._name).set(0)
