"""TGI's metrics over one of our engines."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Gauge, Histogram

from tandem.domain.errors import TandemError
from tandem.http.predictor.faults import fault_of
from tandem.http.predictor.generation import End
from tandem.ports.engine import Engine, EngineLoad

# TGI's buckets: 0.1 ms times 1.5 to the first, second, ... thirty-fifth.
_SECONDS = tuple(0.0001 * 1.5**power for power in range(1, 36))


class TgiMeter:
    """Counts requests, and shows the engine's load whenever it is asked."""

    def __init__(self, engine: Engine, registry: CollectorRegistry) -> None:
        self._asked = 0
        self._answered = 0
        self._failed: Counter[str] = Counter()
        tokens = tuple(engine.limits.max_total_tokens * percent / 100 for percent in range(1, 101))

        def gauge(name: str, text: str, value: Callable[[EngineLoad], int]) -> None:
            Gauge(name, text, registry=registry).set_function(lambda: value(engine.load))

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"tgi_request_{name}", text, buckets=buckets, registry=registry)

        gauge("tgi_queue_size", "Current queue size", lambda load: load.waiting)
        gauge("tgi_batch_current_size", "Current batch size", lambda load: load.running)
        gauge("tgi_batch_current_max_tokens", "Maximum tokens for the current batch", lambda load: load.tokens)
        self._duration = histogram("duration", "Request duration", _SECONDS)
        self._validation = histogram("validation_duration", "Request validation duration", _SECONDS)
        self._queue = histogram("queue_duration", "Request queue duration", _SECONDS)
        self._inference = histogram("inference_duration", "Request inference duration", _SECONDS)
        self._per_token = histogram("mean_time_per_token_duration", "Mean time per token per request", _SECONDS)
        self._generated = histogram("generated_tokens", "Generated tokens per request", tokens)
        self._input = histogram("input_length", "Input token length per request", tokens)
        self._max_new = histogram("max_new_tokens", "Maximum new tokens per request", tokens)

    def asked(self) -> None:
        """A request for a generation came."""
        self._asked += 1

    def answered(self, end: End) -> None:
        """It came to its end."""
        self._answered += 1
        generated = end.finished.usage.completion_tokens
        self._duration.observe(end.timings.total_s)
        self._validation.observe(end.timings.validation_s)
        self._queue.observe(end.timings.queue_s)
        self._inference.observe(end.timings.inference_s)
        self._per_token.observe(end.timings.inference_s / max(1, generated))
        self._generated.observe(generated)
        self._input.observe(end.admitted.input_tokens)
        self._max_new.observe(end.admitted.max_new_tokens)

    def failed(self, error: TandemError) -> None:
        """It was refused, or broke off."""
        self._failed[fault_of(error).counted_as] += 1

    def dropped(self) -> None:
        """Its client went away."""
        self._failed["dropped"] += 1

    def counters(self) -> bytes:
        """The counters as Prometheus text. prometheus_client would call them `…_total`; TGI's names have no suffix."""
        return "".join(self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        for name, text, value in (
            ("tgi_request_count", "Total number of requests", self._asked),
            ("tgi_request_success", "Number of successful requests", self._answered),
        ):
            yield f"# HELP {name} {text}\n# TYPE {name} counter\n{name} {value}\n"
        yield "# HELP tgi_request_failure Number of failed requests\n# TYPE tgi_request_failure counter\n"
        yield from (f'tgi_request_failure{{err="{err}"}} {count}\n' for err, count in sorted(self._failed.items()))
