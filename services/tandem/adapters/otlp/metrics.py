"""What `/metrics` shows, as OTLP's metrics: one observation, told two ways.

An instrument of OpenTelemetry's SDK beside each of Prometheus' would cost every measured value a second time.
"""

from collections.abc import Iterable, Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as wire
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

_NS = 1_000_000_000
_CUMULATIVE = wire.AGGREGATION_TEMPORALITY_CUMULATIVE
# OpenTelemetry's own names have dots, and no unit in them; all others are told as Prometheus knows them.
_GEN_AI = {
    "gen_ai_client_operation_duration_seconds": ("gen_ai.client.operation.duration", "s"),
    "gen_ai_client_operation_time_to_first_chunk_seconds": ("gen_ai.client.operation.time_to_first_chunk", "s"),
    "gen_ai_client_token_usage": ("gen_ai.client.token.usage", "{token}"),
}
_GEN_AI_LABELS = {
    "gen_ai_operation_name": "gen_ai.operation.name",
    "gen_ai_provider_name": "gen_ai.provider.name",
    "gen_ai_request_model": "gen_ai.request.model",
    "gen_ai_response_model": "gen_ai.response.model",
    "gen_ai_token_type": "gen_ai.token.type",
    "error_type": "error.type",
}


def metrics_request(
    families: Iterable[Metric], began_at: float, now_at: float, resource: Mapping[str, str], scope: tuple[str, str]
) -> bytes:
    """A whole request of everything counted since `began_at`; both instants in seconds since 1970."""
    span = round(began_at * _NS), round(now_at * _NS)
    made = [told for family in families if (told := _metric(family, span)) is not None]
    of_scope = wire.ScopeMetrics(scope=InstrumentationScope(name=scope[0], version=scope[1]), metrics=made)
    of_resource = wire.ResourceMetrics(resource=Resource(attributes=_attributes(resource)), scope_metrics=[of_scope])
    return bytes(ExportMetricsServiceRequest(resource_metrics=[of_resource]).SerializeToString())


def _metric(family: Metric, span: tuple[int, int]) -> wire.Metric | None:
    if not family.samples:
        return None
    name, unit = _GEN_AI.get(family.name, (family.name, _unit(family.name)))
    told = wire.Metric(name=name, description=family.documentation, unit=unit)
    if family.type == "counter":
        points = [_number(sample, span) for sample in family.samples if sample.name.endswith("_total")]
        told.sum.CopyFrom(wire.Sum(data_points=points, aggregation_temporality=_CUMULATIVE, is_monotonic=True))
    elif family.type == "histogram":
        told.histogram.CopyFrom(
            wire.Histogram(data_points=_histograms(family.samples, span), aggregation_temporality=_CUMULATIVE)
        )
    elif family.type in {"gauge", "info"}:
        told.gauge.CopyFrom(wire.Gauge(data_points=[_number(sample, span) for sample in family.samples]))
    else:
        return None
    return told


def _number(sample: Sample, span: tuple[int, int]) -> wire.NumberDataPoint:
    return wire.NumberDataPoint(
        attributes=_attributes(sample.labels),
        start_time_unix_nano=span[0],
        time_unix_nano=span[1],
        as_double=sample.value,
    )


def _histograms(samples: Iterable[Sample], span: tuple[int, int]) -> list[wire.HistogramDataPoint]:
    """Prometheus counts what is up to each bound, OTLP what is between two."""
    points: dict[tuple[tuple[str, str], ...], wire.HistogramDataPoint] = {}
    so_far: dict[tuple[tuple[str, str], ...], int] = {}
    for sample in samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        point = points.get(labels)
        if point is None:
            point = points[labels] = wire.HistogramDataPoint(
                attributes=_attributes(dict(labels)), start_time_unix_nano=span[0], time_unix_nano=span[1]
            )
        if sample.name.endswith("_bucket"):
            if sample.labels["le"] != "+Inf":
                point.explicit_bounds.append(float(sample.labels["le"]))
            point.bucket_counts.append(int(sample.value) - so_far.get(labels, 0))
            so_far[labels] = int(sample.value)
            _example(point, sample)
        elif sample.name.endswith("_count"):
            point.count = int(sample.value)
        elif sample.name.endswith("_sum"):
            point.sum = sample.value
    return list(points.values())


def _example(point: wire.HistogramDataPoint, sample: Sample) -> None:
    if sample.exemplar is None or "trace_id" not in sample.exemplar.labels:
        return
    point.exemplars.add(
        as_double=sample.exemplar.value,
        trace_id=bytes.fromhex(sample.exemplar.labels["trace_id"]),
        time_unix_nano=round(float(sample.exemplar.timestamp or 0.0) * _NS),
    )


def _unit(name: str) -> str:
    return "s" if name.endswith("_seconds") else "By" if name.endswith("_bytes") else ""


def _attributes(labels: Mapping[str, str]) -> list[KeyValue]:
    return [
        KeyValue(key=_GEN_AI_LABELS.get(name, name), value=AnyValue(string_value=value))
        for name, value in labels.items()
        if value
    ]
