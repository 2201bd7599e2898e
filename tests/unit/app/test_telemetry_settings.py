"""Where traces and metrics go, and how many: settings first, then OpenTelemetry's variables."""

import pytest

from tandem.app.settings import Settings, load_settings
from tandem.app.telemetry import Traces, kept_ratio, service_name
from tandem.app.tracing import metrics_out, named_tenants, traces_to, tracing
from tandem.domain.errors import ConfigurationError
from tandem.observe.metrics import Metrics

COLLECTOR = "http://collector:4318"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def settings(**telemetry: object) -> Settings:
    return load_settings(telemetry=telemetry)


async def test_without_a_collector_nobody_follows_anything() -> None:
    async with tracing(settings(), "all", Metrics("1", "all")) as tracer:
        assert not tracer.follows
        assert tracer.samples("0" * 32)


def test_the_collector_is_named_by_settings_or_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    named = settings(traces={"endpoint": COLLECTOR})
    assert (to := traces_to(named)) is not None
    assert to.url == COLLECTOR
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:4318")
    assert (to := traces_to(settings())) is not None
    assert to.url == "http://other:4318"
    assert traces_to(settings(traces={"enabled": False})) is None


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio"),
    [
        ("", "", 1.0),
        ("always_off", "", 0.0),
        ("parentbased_always_on", "", 1.0),
        ("traceidratio", "0.25", 0.25),
        ("parentbased_traceidratio", "0.01", 0.01),
    ],
)
def test_the_samplers_of_opentelemetry_count(
    sampler: str, argument: str, ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    assert kept_ratio(Traces()) == ratio
    assert kept_ratio(Traces(ratio=0.5)) == 0.5


@pytest.mark.parametrize(("sampler", "argument"), [("jaeger_remote", ""), ("traceidratio", "2"), ("traceidratio", "x")])
def test_a_sampler_that_is_none_is_told(sampler: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    with pytest.raises(ConfigurationError, match="OTEL_TRACES_SAMPLER"):
        kept_ratio(Traces())


async def test_metrics_that_have_nowhere_to_go_are_told() -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        async with metrics_out(settings(metrics={"otlp": True}), "all", Metrics("1", "all")):
            pass


def test_processes_are_told_apart() -> None:
    assert [service_name(target) for target in ("all", "gateway")] == ["tandem", "tandem-gateway"]


def test_tenants_of_the_settings_and_of_keys_have_series() -> None:
    chosen = load_settings(tenants={"acme": {}}, auth={"keys": [{"name": "k", "sha256": "0" * 64, "tenant": "zoo"}]})
    assert [named_tenants(chosen).label(name) for name in ("acme", "zoo", "default", "x")] == [
        "acme",
        "zoo",
        "default",
        "other",
    ]
