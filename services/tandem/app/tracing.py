"""Where the traces of a process go, by the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tandem.app.clock import SystemClock
from tandem.app.otlp import endpoint, resource
from tandem.app.settings import Settings
from tandem.app.telemetry import kept_ratio, service_name
from tandem.domain.context import DEFAULT_TENANT
from tandem.domain.errors import ConfigurationError
from tandem.observe.exports import ExportMetrics
from tandem.observe.metrics import Metrics
from tandem.observe.tenants import Tenants
from tandem.observe.tracing import Keeping, Tracing
from tandem.pipeline.untraced import UNTRACED
from tandem.ports.tracer import Tracer

if TYPE_CHECKING:
    from tandem.adapters.otlp.collector import Endpoint


def traces_to(settings: Settings) -> "Endpoint | None":
    """The collector, None where no traces are kept. Raises `ConfigurationError` for what cannot work."""
    if not settings.telemetry.traces.enabled:
        return None
    to = endpoint(settings.telemetry.traces, "traces")
    if to is not None:
        needed("telemetry.traces")
    return to


def needed(setting: str) -> None:
    """Raises `ConfigurationError` when what encodes for collectors is not installed."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.proto") is None:
        raise ConfigurationError(f"{setting} needs opentelemetry-proto.", hint="Install tandem-rag[otel].")


@asynccontextmanager
async def tracing(settings: Settings, target: str, metrics: Metrics) -> AsyncIterator[Tracer]:
    """What follows this process's requests; nothing does where no collector is named."""
    to = traces_to(settings)
    if to is None:
        yield UNTRACED
        return
    from tandem.adapters.otlp.collector import collector
    from tandem.adapters.otlp.exporting import Schedule, exporting

    chosen, clock, service = settings.telemetry.traces, SystemClock(), resource(service_name(target))
    schedule = Schedule(room=chosen.queue_spans, every_s=chosen.interval_s)
    keeping = Keeping(kept_ratio(chosen), chosen.slow_s, answers_recorded=_records_shipped(settings))
    async with (
        collector(to, clock.epoch_s) as receiver,
        exporting(
            receiver,
            ExportMetrics(metrics, "traces", clock),
            service,
            ("tandem", service["service.version"]),
            schedule,
            chosen.end_s,
        ) as spans,
    ):
        yield Tracing(spans, clock, keeping)


@asynccontextmanager
async def metrics_out(settings: Settings, target: str, metrics: Metrics) -> AsyncIterator[None]:
    """Sends metrics to a collector, where the settings want it beside `/metrics`."""
    chosen = settings.telemetry.metrics
    if not chosen.otlp:
        yield
        return
    to = endpoint(chosen, "metrics")
    if to is None:
        raise ConfigurationError(
            "telemetry.metrics.otlp has nowhere to send to.",
            hint="Set telemetry.metrics.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT.",
        )
    needed("telemetry.metrics")
    from tandem.adapters.otlp.collector import collector
    from tandem.adapters.otlp.reporting import Reporting, reporting

    clock, service = SystemClock(), resource(service_name(target))
    meter, scope = ExportMetrics(metrics, "metrics", clock), ("tandem", service["service.version"])
    async with collector(to, clock.epoch_s) as receiver:
        reports = Reporting(receiver, metrics.registry, meter, service, scope, clock.epoch_s, chosen.interval_s)
        async with reporting(reports):
            yield


def _records_shipped(settings: Settings) -> bool:
    """True where the sink for records tells of answers."""
    monitor = settings.monitor
    return monitor.enabled and monitor.otlp.enabled and endpoint(monitor.otlp, "traces") is not None


def named_tenants(settings: Settings) -> Tenants:
    """Those that have series of their own: a token may name any tenant, and so may a peer."""
    told = [*settings.tenants, *(key.tenant for key in settings.auth.keys), DEFAULT_TENANT]
    return Tenants(told, settings.telemetry.metrics.tenants)
