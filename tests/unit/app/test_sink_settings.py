"""Where records go, by settings and by OpenTelemetry's own variables."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from tandem.adapters.otlp.collector import Endpoint
from tandem.app.otlp import Otlp, endpoint, resource
from tandem.app.settings import load_settings
from tandem.app.sinks import sinks
from tandem.domain.errors import ConfigurationError

URL = "http://collector:4318"
PREFIX = "OTEL_EXPORTER_OTLP_"


class Unmetered:
    """`pipeline/shipping.py`'s meter, which counts nothing."""

    def shipped(self, sink: str, records: int) -> None: ...

    def ship_failed(self, sink: str, reason: str) -> None: ...

    def refused(self, sink: str) -> None: ...


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ENDPOINT", "HEADERS", "TIMEOUT", "COMPRESSION", "PROTOCOL", "CERTIFICATE"):
        for signal in ("", "TRACES_", "LOGS_"):
            monkeypatch.delenv(f"{PREFIX}{signal}{name}", raising=False)
    for name in ("OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


async def opened(**monitor: Any) -> list[str]:
    settings = load_settings(monitor=monitor)
    async with sinks(settings, Unmetered()) as configured:
        return [sink.name for sink, _ in configured]


@pytest.mark.usefixtures("variables")
def test_nothing_is_sent_unless_somebody_says_where() -> None:
    assert endpoint(Otlp(), "traces") is None


@pytest.mark.usefixtures("variables")
def test_by_settings() -> None:
    chosen = Otlp(endpoint=URL, headers={"authorization": SecretStr("Basic abc")}, timeout_s=3, compression="none")
    assert endpoint(chosen, "traces") == Endpoint(URL, {"authorization": "Basic abc"}, 3, "none")


def test_by_opentelemetrys_variables(variables: pytest.MonkeyPatch) -> None:
    variables.setenv(f"{PREFIX}ENDPOINT", URL)
    variables.setenv(f"{PREFIX}HEADERS", "authorization=Basic%20abc, x-project=demo")
    variables.setenv(f"{PREFIX}TIMEOUT", "2500")
    variables.setenv(f"{PREFIX}COMPRESSION", "none")
    variables.setenv(f"{PREFIX}CERTIFICATE", "/etc/ca.pem")
    headers = {"authorization": "Basic abc", "x-project": "demo"}
    assert endpoint(Otlp(), "traces") == Endpoint(URL, headers, 2.5, "none", "/etc/ca.pem")


def test_settings_come_before_variables_and_a_signals_own_before_the_common(variables: pytest.MonkeyPatch) -> None:
    variables.setenv(f"{PREFIX}ENDPOINT", URL)
    variables.setenv(f"{PREFIX}TRACES_ENDPOINT", "http://traces:4318/v1/traces")
    variables.setenv(f"{PREFIX}HEADERS", "a=1,b=2")
    ours = Otlp(headers={"b": SecretStr("3")}, timeout_s=1, compression="gzip", certificate=Path("/ca.pem"))
    assert endpoint(ours, "traces") == Endpoint(
        "http://traces:4318/v1/traces", {"a": "1", "b": "3"}, 1, "gzip", "/ca.pem"
    )
    logs = endpoint(ours, "logs")
    assert logs is not None
    assert logs.url == URL
    named = endpoint(Otlp(endpoint="http://ours:4318"), "traces")
    assert named is not None
    assert named.url == "http://ours:4318"


@pytest.mark.parametrize(("name", "value"), [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "none")])
def test_variables_may_say_no(variables: pytest.MonkeyPatch, name: str, value: str) -> None:
    variables.setenv(f"{PREFIX}ENDPOINT", URL)
    variables.setenv(name, value)
    assert endpoint(Otlp(), "traces") is None
    assert endpoint(Otlp(endpoint=URL), "traces") is not None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PROTOCOL", "grpc", "http/protobuf"),
        ("TRACES_PROTOCOL", "http/json", "http/protobuf"),
        ("ENDPOINT", "collector:4317", "no URL"),
        ("HEADERS", "Bearer abc", "name=value"),
        ("HEADERS", "a=b%0d%0ac: d", "no header"),
        ("TIMEOUT", "10s", "milliseconds"),
        ("TIMEOUT", "-1", "milliseconds"),
        ("COMPRESSION", "zstd", "gzip or none"),
    ],
)
def test_what_cannot_work_is_told_at_the_start(
    variables: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    variables.setenv(f"{PREFIX}ENDPOINT", URL)
    variables.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(ConfigurationError, match=words):
        endpoint(Otlp(), "traces")


@pytest.mark.parametrize("url", ["collector:4318", "grpc://collector:4317", "", "http://a b"])
def test_an_endpoint_is_a_url(url: str) -> None:
    with pytest.raises(ValidationError):
        Otlp(endpoint=url)


def test_what_the_spans_are_of(variables: pytest.MonkeyPatch) -> None:
    told = resource("tandem-gateway")
    assert told["service.name"] == "tandem-gateway"
    assert told["service.version"]
    variables.setenv("OTEL_RESOURCE_ATTRIBUTES", "openinference.project.name=demo,service.name=mine,k8s.pod.name=a%2Cb")
    assert resource("tandem")["service.name"] == "mine"
    assert resource("tandem")["k8s.pod.name"] == "a,b"
    variables.setenv("OTEL_SERVICE_NAME", "ours")
    assert resource("tandem")["service.name"] == "ours"
    variables.setenv("OTEL_RESOURCE_ATTRIBUTES", "demo")
    with pytest.raises(ConfigurationError, match="OTEL_RESOURCE_ATTRIBUTES"):
        resource("tandem")


@pytest.mark.usefixtures("variables")
async def test_each_sink_that_is_configured_is_opened(tmp_path: Path) -> None:
    assert await opened() == []
    every = {"otlp": {"endpoint": URL}, "parquet": {"url": str(tmp_path)}, "stdout": {"enabled": True}}
    assert await opened(**every) == ["otlp", "parquet", "stdout"]


async def test_a_receiver_by_variables_takes_records_unless_the_settings_say_no(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setenv(f"{PREFIX}ENDPOINT", URL)
    assert await opened() == ["otlp"]
    assert await opened(otlp={"enabled": False}) == []


@pytest.mark.parametrize(
    ("gone", "monitor", "extra"),
    [
        ("opentelemetry.proto", {"otlp": {"endpoint": URL}}, "otel"),
        ("duckdb", {"parquet": {"url": "/tmp/records"}}, "parquet"),
    ],
)
@pytest.mark.usefixtures("variables")
async def test_a_package_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, gone: str, monitor: dict[str, Any], extra: str
) -> None:
    monkeypatch.setattr("tandem.app.sinks.find_spec", lambda name: None if name == gone else name)
    with pytest.raises(ConfigurationError) as raised:
        await opened(**monitor)
    assert f"tandem-rag[{extra}]" in (raised.value.hint or "")
