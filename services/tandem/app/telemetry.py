"""Traces, metrics and their examples in the settings: what is kept, and which collector gets it."""

from pydantic import Field

from tandem.app.group import Group
from tandem.app.otlp import Receiver, variable
from tandem.domain.errors import ConfigurationError

# As OpenTelemetry names them; what is parent-based there is here always: whoever began a trace decided.
_SAMPLERS = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}

_NAMES = {"all": "tandem"}


class Traces(Receiver):
    """Requests and background work as traces. An answer that has a record is told by `monitor.otlp`, where that is on."""

    enabled: bool = True
    """`false`: none, also where OTEL_EXPORTER_OTLP_ENDPOINT names a collector."""
    ratio: float | None = Field(default=None, ge=0, le=1)
    """Share of the traces that begin here to keep; what a caller began it has decided. Unset: OTEL_TRACES_SAMPLER and its ARG, else 1."""
    slow_s: float = Field(default=10.0, gt=0)
    """What takes longer is kept in any case, and so is what fails."""
    queue_spans: int = Field(default=8192, ge=512)
    """Spans that wait for the collector at most; more are lost, and counted."""
    interval_s: float = Field(default=2.0, gt=0, le=60)
    """They are sent this often, or as soon as there are 512."""
    end_s: float = Field(default=3.0, ge=0)
    """When the process ends: seconds to send what is left."""


class MetricsExport(Receiver):
    """Metrics: `/metrics` has all of them; a collector can be sent the same."""

    otlp: bool = False
    """Send them to the endpoint, `gen_ai.*` under OpenTelemetry's own names."""
    interval_s: float = Field(default=60.0, ge=1)
    """This often."""
    tenants: int = Field(default=50, ge=0, le=1000)
    """Tenants with series of their own, of those named in `tenants` and `auth.keys`; all others are counted as `other`."""


class Telemetry(Group):
    """What the process tells of its own work, beside the records of answers."""

    traces: Traces = Traces()
    metrics: MetricsExport = MetricsExport()


def service_name(target: str) -> str:
    """What a process calls itself where services are told apart."""
    return _NAMES.get(target, f"tandem-{target}")


def kept_ratio(chosen: Traces) -> float:
    """The share of new traces to keep. Raises `ConfigurationError` for a sampler that is none."""
    if chosen.ratio is not None:
        return chosen.ratio
    named = (variable("OTEL_TRACES_SAMPLER") or "always_on").removeprefix("parentbased_")
    if named not in _SAMPLERS:
        raise ConfigurationError(
            f"OTEL_TRACES_SAMPLER is {named!r}.",
            hint=f"One of {', '.join(_SAMPLERS)}, with parentbased_ before it or not.",
        )
    ratio = _SAMPLERS[named]
    return ratio if ratio is not None else _argument()


def _argument() -> float:
    text = variable("OTEL_TRACES_SAMPLER_ARG") or "1"
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise ConfigurationError(f"OTEL_TRACES_SAMPLER_ARG is {text!r}; it is a share between 0 and 1.")
    return ratio
