"""Where records go, by the settings."""

import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tandem.app.clock import SystemClock
from tandem.app.otlp import endpoint, resource
from tandem.app.settings import Settings
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.shipping import Pace, ShippingMeter
from tandem.ports.sink import Sink

if TYPE_CHECKING:
    from tandem.adapters.otlp.collector import Endpoint

_log = logging.getLogger("tandem.monitor")


@asynccontextmanager
async def sinks(
    settings: Settings, meter: ShippingMeter, service: str = "tandem", *, retrieves: bool = True
) -> AsyncIterator[list[tuple[Sink, Pace]]]:
    """Each that is configured, and how it is shipped to. `service` is what the process calls itself in traces; `retrieves`:
    retrieval is its own work, no peer's. Raises `ConfigurationError` for one that cannot work.
    """
    chosen = settings.monitor
    usual = Pace(
        most=chosen.batch_records,
        timeout_s=chosen.ship_timeout_s,
        retry_s=chosen.retry_s,
        longest_retry_s=chosen.longest_retry_s,
    )
    async with AsyncExitStack() as stack:
        opened: list[tuple[Sink, Pace]] = []
        if (to := endpoint(chosen.otlp, "traces") if chosen.otlp.enabled else None) is not None:
            opened.append(
                (await stack.enter_async_context(_otlp(settings, to, meter, service, retrieves=retrieves)), usual)
            )
        if chosen.parquet.url is not None:
            written = stack.enter_context(_parquet(chosen.parquet.url))
            opened.append((written, _at_leisure(settings, usual)))
        if chosen.stdout.enabled:
            from tandem.adapters.console.sink import console_sink

            opened.append((await stack.enter_async_context(console_sink(patience_s=usual.timeout_s)), usual))
        yield opened


@asynccontextmanager
async def _otlp(
    settings: Settings, to: "Endpoint", meter: ShippingMeter, service: str, *, retrieves: bool
) -> AsyncIterator[Sink]:
    _needs("opentelemetry.proto", "otel", "monitor.otlp")
    from tandem.adapters.otlp.sink import otlp_sink
    from tandem.adapters.otlp.trace import Tracing

    chosen = settings.monitor.otlp
    tracing = Tracing(
        # A retriever that is a peer traces its own steps, where the trace is sampled.
        inner_stages=retrieves,
        openinference=chosen.openinference,
        separate_events=chosen.events == "logs",
    )

    def rejected(spans: int, why: str) -> None:
        meter.ship_failed("otlp", "rejected")
        _log.warning("the OTLP receiver at %s left out %d spans: %s", to.url, spans, why or "it does not say why")

    async with otlp_sink(
        to,
        tracing,
        resource(service),
        now_s=SystemClock().epoch_s,
        version=version("tandem-rag"),
        request_bytes=chosen.request_bytes,
        rejected=rejected,
    ) as sink:
        yield sink


@contextmanager
def _parquet(url: str) -> Iterator[Sink]:
    _needs("duckdb", "parquet", "monitor.parquet")
    from tandem.adapters.parquet.places import place
    from tandem.adapters.parquet.sink import ParquetSink

    try:
        yield ParquetSink(place(url))
    finally:
        # What `settle` exempted from collection outlives the interpreter, of which DuckDB complains at the end.
        gc.unfreeze()


def _at_leisure(settings: Settings, usual: Pace) -> Pace:
    chosen = settings.monitor.parquet
    return replace(usual, most=chosen.rows, linger_s=chosen.interval_s, timeout_s=chosen.timeout_s)


def _needs(module: str, extra: str, setting: str) -> None:
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigurationError(
            f"{setting} needs a package that is not there.", hint=f"pip install 'tandem-rag[{extra}]'"
        )
