"""What a scrape gets: the format it wants, and in OpenMetrics traces as examples."""

from collections.abc import Iterable

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tandem.http.scrape import prefers_openmetrics, scraped
from tandem.observe.metrics import Metrics

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (PROMETHEUS, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0", False),
        ("text/plain, application/openmetrics-text;q=0.9", False),
        ("application/openmetrics-text;q=nonsense, */*", False),
        ("*/*", False),
        ("", False),
        (";;,,=", False),
    ],
)
def test_the_format_follows_the_accept_header(accept: str, wanted: bool) -> None:
    assert prefers_openmetrics(accept) is wanted


def test_openmetrics_names_a_trace_that_is_kept_and_no_other() -> None:
    metrics = Metrics("0", "all", follows=True)
    metrics.ended("/v1/retrieve", 200, 0.03, "acme", TRACE)
    metrics.ended("/v1/retrieve", 200, 0.003, "acme", None)
    text = bytes(scraped(metrics.registry, PROMETHEUS).body).decode()
    read: Iterable[Metric] = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in read}
    named = [sample.exemplar for sample in families["tandem_request_seconds"].samples if sample.exemplar]
    assert [(each.labels, each.value) for each in named] == [({"trace_id": TRACE}, 0.03)]
    assert text.endswith("# EOF\n")
    assert TRACE not in bytes(scraped(metrics.registry, None).body).decode()


def test_no_series_tells_when_another_began() -> None:
    assert b"_created" not in bytes(scraped(Metrics("0", "all").registry, None).body)
