"""OpenTelemetry's receivers in the settings, and OpenTelemetry's own variables, which stand in for what is not set."""

from importlib.metadata import version
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from pydantic import Field, SecretStr, create_model
from pydantic_settings import BaseSettings

from tandem.app.group import Group
from tandem.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from tandem.adapters.otlp.collector import Endpoint

_PREFIX = "OTEL_EXPORTER_OTLP_"
_TIMEOUT_S = 10.0
Signal = Literal["traces", "metrics", "logs"]


class Receiver(Group):
    """A receiver of OTLP over HTTP, in protobuf."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    """Its base URL, which /v1/traces is put behind. Unset: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT, unless OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none."""
    headers: dict[str, SecretStr] = Field(default={})
    """Sent with every request, such as a key. Beside OTEL_EXPORTER_OTLP_HEADERS, before which they come."""
    timeout_s: float | None = Field(default=None, gt=0)
    """Longest time for one request. Unset: OTEL_EXPORTER_OTLP_TIMEOUT, which is in milliseconds, else 10."""
    compression: Literal["gzip", "none"] | None = None
    """Unset: OTEL_EXPORTER_OTLP_COMPRESSION, else gzip."""
    certificate: Path | None = None
    """File of CA certificates, instead of the system's. Unset: OTEL_EXPORTER_OTLP_CERTIFICATE."""


class Otlp(Receiver):
    """Answers as traces, by the GenAI semantic conventions."""

    enabled: bool = True
    """`false`: none, also where OTEL_EXPORTER_OTLP_ENDPOINT names a receiver."""
    request_bytes: int = Field(default=2_000_000, ge=65_536)
    """Most that goes in one request, before compression; one answer may take more."""
    events: Literal["span", "logs"] = "span"
    """Scores stand on the request's span; or they are sent to /v1/logs, and with them `gen_ai.client.inference.operation.details`."""
    openinference: bool = True
    """A few attributes by OpenInference's conventions as well, for Phoenix."""


def endpoint(chosen: Receiver, signal: Signal) -> "Endpoint | None":
    """Where a signal goes, None when nothing says so. Raises `ConfigurationError` for what cannot work."""
    url = chosen.endpoint or _url(signal)
    if url is None:
        return None
    from tandem.adapters.otlp.collector import Endpoint

    _spoken(signal)
    headers = {**_headers(signal), **{name: value.get_secret_value() for name, value in chosen.headers.items()}}
    if any(not name or not (name + value).isprintable() for name, value in headers.items()):
        raise ConfigurationError("A header for the OTLP receiver holds what no header can: a line end, say.")
    certificate = None if chosen.certificate is None else str(chosen.certificate)
    return Endpoint(
        url,
        headers,
        chosen.timeout_s or _timeout_s(signal),
        chosen.compression or _compression(signal),
        certificate or _of(signal, "CERTIFICATE"),
    )


def resource(service: str) -> dict[str, str]:
    """What the spans and metrics of this process are of: `service` and its version, and what OpenTelemetry's variables add.

    Raises `ConfigurationError` when these are not of their form.
    """
    pairs = [each.partition("=") for each in (variable("OTEL_RESOURCE_ATTRIBUTES") or "").split(",") if each.strip()]
    if any(not between for _, between, _ in pairs):
        raise ConfigurationError("OTEL_RESOURCE_ATTRIBUTES is not of the form name=value,name=value.")
    named = variable("OTEL_SERVICE_NAME")
    return {
        "service.name": service,
        "service.version": version("tandem-rag"),
        "service.instance.id": gethostname(),
        **{unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs},
        **({} if named is None else {"service.name": named}),
    }


def _url(signal: Signal) -> str | None:
    off = (variable("OTEL_SDK_DISABLED") or "").lower() == "true" or variable(
        f"OTEL_{signal.upper()}_EXPORTER"
    ) == "none"
    url = None if off else _of(signal, "ENDPOINT")
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{_PREFIX}ENDPOINT is {url!r}, which is no URL.",
            hint="Such as http://collector:4318, with OTLP over HTTP.",
        )
    return url


def _spoken(signal: Signal) -> None:
    protocol = _of(signal, "PROTOCOL")
    if protocol not in {None, "http/protobuf"}:
        raise ConfigurationError(
            f"{_PREFIX}PROTOCOL is {protocol!r}; Tandem speaks http/protobuf alone.",
            hint="Name the collector's HTTP port, 4318, and leave the protocol unset or set it to http/protobuf.",
        )


def _headers(signal: Signal) -> dict[str, str]:
    pairs = [each.partition("=") for each in (_of(signal, "HEADERS") or "").split(",") if each.strip()]
    if any(not between for _, between, _ in pairs):
        raise ConfigurationError(f"{_PREFIX}HEADERS is not of the form name=value,name=value.")
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs}


def _timeout_s(signal: Signal) -> float:
    text = _of(signal, "TIMEOUT")
    if text is None:
        return _TIMEOUT_S
    try:
        timeout_s = float(text) / 1000
    except ValueError:
        timeout_s = 0.0
    if timeout_s <= 0:
        raise ConfigurationError(f"{_PREFIX}TIMEOUT is {text!r}; it is a number of milliseconds.")
    return timeout_s


def _compression(signal: Signal) -> Literal["gzip", "none"]:
    match _of(signal, "COMPRESSION"):
        case None | "gzip":
            return "gzip"
        case "none":
            return "none"
        case other:
            raise ConfigurationError(f"{_PREFIX}COMPRESSION is {other!r}; it may be gzip or none.")


def _of(signal: Signal, name: str) -> str | None:
    """A signal's own variable comes before the one for all."""
    return variable(f"{_PREFIX}{signal.upper()}_{name}") or variable(f"{_PREFIX}{name}")


def variable(name: str) -> str | None:
    """What the environment says, None where it says nothing. OpenTelemetry's variables alone are read so."""
    read: Any = create_model("_Variable", __base__=BaseSettings, value=(str, Field("", validation_alias=name)))
    return str(read().value).strip() or None
