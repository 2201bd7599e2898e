"""`GET /metrics`: Prometheus' text format, or OpenMetrics, which can name a trace beside a measured value."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.responses import Response

_OPENMETRICS = "application/openmetrics-text"
_PLAIN = ("text/plain", "text/*", "*/*")


def scraped(registry: CollectorRegistry, accept: str | None) -> Response:
    """All metrics, in the format that is wanted more; in Prometheus' own where neither is named."""
    if prefers_openmetrics(accept or ""):
        body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return Response(body, media_type=openmetrics.CONTENT_TYPE_LATEST)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def prefers_openmetrics(accept: str) -> bool:
    """True when OpenMetrics is named, with a weight that the plain format does not exceed."""
    weights = dict(map(_weighed, accept.lower().split(",")))
    wanted = weights.get(_OPENMETRICS, 0.0)
    return wanted > 0 and wanted >= max(weights.get(kind, 0.0) for kind in _PLAIN)


def _weighed(accepted: str) -> tuple[str, float]:
    kind, *parameters = (part.strip() for part in accepted.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return kind, float(parameter[2:])
            except ValueError:
                return kind, 0.0
    return kind, 1.0
