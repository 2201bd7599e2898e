"""What an operator sees is what the processes counted, also when one of them is new, gone or started anew."""

import asyncio
import io
import math
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from rich.console import Console

from tandem.cli.status_shown import shown
from tandem.domain.errors import ConfigurationError, UpstreamFailed
from tandem.domain.release import Book, ReleaseState, TryMode
from tandem.domain.release import Release as Bundle
from tandem.observe.metrics import Metrics
from tandem.observe.releases import ReleaseMetrics
from tandem.platform.cluster import Answer, Refused
from tandem.platform.vitals.scrape import Scrape, quantile, read, together
from tandem.platform.vitals.sources import Release, Seen
from tandem.platform.vitals.vitals import Released, vitals


class Process:
    """One process's metrics, read when wanted."""

    def __init__(self, name: str, target: str = "gateway") -> None:
        self.name = name
        self.metrics = Metrics("1.2.3", target)

    def seen(self, at_s: float) -> Seen:
        return Seen(self.name, "ready", read(generate_latest(self.metrics.registry).decode(), at_s))

    def answered(self, count: int, status: int = 200, took_s: float = 0.2) -> None:
        for _ in range(count):
            self.metrics.arrived("/v1/chat/completions")
            self.metrics.ended("/v1/chat/completions", status, took_s, "acme", None)


def test_rates_are_taken_between_two_looks_over_all_processes() -> None:
    one, other = Process("a"), Process("b")
    one.answered(100)
    before = [one.seen(10.0), other.seen(10.0)]
    one.answered(20)
    one.answered(4, 429)
    one.answered(2, 500)
    other.answered(14)
    other.metrics.answered("answered")
    found = vitals("here", before, [one.seen(20.0), other.seen(20.0)])
    assert found.interval_s == 10.0
    assert (found.requests.rate, found.requests.refused, found.requests.failed) == (4.0, 0.4, 0.2)
    assert found.answers == {"answered": 0.1}
    assert [(each.name, each.target, each.version, each.rate) for each in found.processes] == [
        ("a", "gateway", "1.2.3", 2.6),
        ("b", "gateway", "1.2.3", 1.4),
    ]


def test_a_process_that_was_started_anew_counts_from_nothing() -> None:
    old, new = Process("a"), Process("a")
    old.answered(100)
    new.answered(5)
    assert vitals("here", [old.seen(0.0)], [new.seen(10.0)]).requests.rate == 0.5


def test_one_that_came_or_went_in_between_does_not_spoil_the_rates() -> None:
    stays, goes, comes = Process("a"), Process("b"), Process("c")
    for each in (stays, goes, comes):
        each.answered(50)
    before = [stays.seen(0.0), goes.seen(0.0)]
    stays.answered(10)
    found = vitals(
        "here", before, [stays.seen(10.0), comes.seen(10.0), Seen("b", "pending", None, "The pod is pending.")]
    )
    assert found.requests.rate == 1.0
    assert [(each.name, each.state, each.rate, each.fault) for each in found.processes] == [
        ("a", "ready", 1.0, ""),
        ("c", "ready", 0.0, ""),
        ("b", "pending", 0.0, "The pod is pending."),
    ]


def test_times_are_those_of_the_answers_in_between() -> None:
    process = Process("a")
    process.answered(1000, took_s=20.0)
    before = [process.seen(0.0)]
    process.answered(100, took_s=0.2)
    process.metrics.first_token(0.06)
    found = vitals("here", before, [process.seen(1.0)])
    assert found.requests.p50_s == pytest.approx(0.175)
    assert found.requests.first_token_p50_s == pytest.approx(0.075)
    assert vitals("here", [process.seen(1.0)], [process.seen(2.0)]).requests.p50_s is None


def test_quality_is_a_mean_and_drift_the_worst_of_the_processes() -> None:
    one, other = Process("a"), Process("b")
    before = [one.seen(0.0), other.seen(0.0)]
    one.metrics.answer_quality.labels("groundedness").observe(1.0)
    other.metrics.answer_quality.labels("groundedness").observe(0.5)
    other.metrics.question_drift.set(0.25)
    found = vitals("here", before, [one.seen(1.0), other.seen(1.0)])
    assert found.quality == {"groundedness": 0.75}
    assert found.drift == 0.25
    assert vitals("here", before, [one.seen(1.0)]).drift is None


def tried(name: str, mode: TryMode = "canary", state: ReleaseState = "trying") -> Bundle:
    return Bundle(name, pools=("next",), weight=0.2, mode=mode, state=state)


def test_the_release_that_serves_and_the_one_that_is_tried_are_named() -> None:
    one, other = Process("a"), Process("b")
    meters = [ReleaseMetrics(each.metrics) for each in (one, other)]
    assert vitals("here", [], [one.seen(1.0)]).release is None
    for meter in meters:
        meter.seen(Book(1))
        meter.trying(0.0)
    assert vitals("here", [], [one.seen(1.0), other.seen(1.0)]).release == Released("base")
    for meter in meters:
        meter.seen(Book(2, (Bundle("winter", state="serving"), tried("spring"))))
    meters[0].trying(0.2)
    found = vitals("here", [], [one.seen(1.0), other.seen(1.0)]).release
    assert found == Released("winter", "spring", "canary", 0.2, ("b",))
    meters[1].trying(0.2)
    for meter in meters:
        meter.seen(Book(3, (Bundle("winter", state="serving"), tried("spring", "shadow", "promoting"))))
    found = vitals("here", [], [one.seen(1.0), other.seen(1.0)]).release
    assert found == Released("winter", "spring", "promoting", 0.2)


def test_what_is_over_is_no_series_any_more() -> None:
    process = Process("a")
    meter = ReleaseMetrics(process.metrics)
    for number in range(5):
        meter.seen(Book(number, (tried(f"r{number}", "shadow"),)))
    assert process.seen(1.0).scrape.by("tandem_release_info", "release") == {"base": 1.0, "r4": 1.0}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("book", "weight", "said"),
    [
        (Book(1), 0.0, "base serves · none is tried"),
        (Book(1, (tried("spring"),)), 0.2, "base serves · spring is tried: canary with 20%"),
        (Book(1, (tried("spring"),)), 0.0, "canary with 0% · not at a"),
    ],
)
def test_people_read_of_releases_in_one_line(book: Book, weight: float, said: str) -> None:
    process = Process("a")
    meter = ReleaseMetrics(process.metrics)
    meter.seen(book)
    meter.trying(weight)
    screen = Console(file=io.StringIO(), width=100, force_terminal=False)
    screen.print(shown(vitals("here", [], [process.seen(2.0)])))
    assert said in screen.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_a_quantile_lies_in_the_bucket_of_its_rank(share: float) -> None:
    registry = CollectorRegistry()
    histogram = Histogram("t", "t", buckets=(0.1, 0.5, 1.0), registry=registry)
    for value in (0.05, 0.2, 0.3, 0.7, 9.0):
        histogram.observe(value)
    found = quantile(share, read(generate_latest(registry).decode(), 0.0), "t")
    assert found is not None
    bounds = {0.0: (0.0, 0.1), 0.5: (0.1, 0.5), 0.9: (1.0, 1.0), 0.99: (1.0, 1.0), 1.0: (1.0, 1.0)}
    assert bounds[share][0] <= found <= bounds[share][1]


def test_without_observations_there_is_no_quantile() -> None:
    assert quantile(0.5, Scrape(0.0), "t") is None


def test_scrapes_add_up() -> None:
    registry = CollectorRegistry()
    Counter("t", "t", ["a"], registry=registry).labels("x").inc(2)
    one = read(generate_latest(registry).decode(), 3.0)
    both = together([one, one])
    assert (both.sum("t_total"), both.by("t_total", "a"), both.at_s) == (4.0, {"x": 4.0}, 3.0)
    assert math.isclose(both.sum("t_total", a="y"), 0.0)


@pytest.mark.parametrize("text", ["<html>", "a{b 1", "tandem_x nonsense"])
def test_what_is_no_metrics_is_told(text: str) -> None:
    with pytest.raises(UpstreamFailed):
        read(text, 0.0)


class Pods:
    """Stands for a cluster with these pods; what they answer, or that they cannot be asked."""

    namespace = "prod"

    def __init__(self, answers: dict[str, str | Refused], phases: dict[str, str] | None = None) -> None:
        self._answers = answers
        self._phases = phases or {}

    def items(self, path: str, **query: str) -> tuple[dict[str, Any], ...]:
        assert (path, query) == ("/api/v1/namespaces/prod/pods", {"labelSelector": "app.kubernetes.io/instance=t"})
        labels = {"app.kubernetes.io/component": "gateway"}
        pods = [
            {"metadata": {"name": name, "labels": labels}, "status": {"phase": self._phases.get(name, "Running")}}
            for name in self._answers
        ]
        return (*pods, {"metadata": {"name": "qdrant-0", "labels": {}}, "status": {"phase": "Running"}})

    def ask(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        assert (namespace, port) == ("prod", 8000)
        told = self._answers[pod]
        if isinstance(told, Refused):
            raise told
        return Answer(200, '{"status": "ready"}' if path == "/readyz" else told)


def test_every_pod_of_the_release_is_asked() -> None:
    process = Process("t-gateway-1")
    text = generate_latest(process.metrics.registry).decode()
    cluster: Any = Pods(
        {"t-gateway-1": text, "t-gateway-0": Refused(403, "no"), "t-gateway-2": text}, {"t-gateway-2": "Pending"}
    )
    seen = asyncio.run(Release(cluster, "t", lambda: 5.0).look())
    assert [(each.name, each.state, each.fault) for each in seen] == [
        ("t-gateway-0", "unreachable", "no"),
        ("t-gateway-1", "ready", ""),
        ("t-gateway-2", "pending", "The pod is pending."),
    ]
    assert seen[1].scrape is not None
    assert seen[1].scrape.at_s == 5.0


def test_a_release_that_is_not_there_is_named() -> None:
    nothing: Any = Pods({})
    with pytest.raises(ConfigurationError, match="no release t"):
        asyncio.run(Release(nothing, "t", lambda: 0.0).look())


def test_the_terminal_shows_what_there_is_within_its_width() -> None:
    process = Process("127.0.0.1:8000", "all")
    before = [process.seen(0.0)]
    process.answered(3)
    process.answered(1, 429)
    process.metrics.answer_quality.labels("groundedness").observe(0.5)
    screen = Console(file=io.StringIO(), width=100, force_terminal=False)
    screen.print(shown(vitals("http://127.0.0.1:8000", before, [process.seen(2.0)])))
    told = screen.file.getvalue()  # type: ignore[attr-defined]
    for text in ("http://127.0.0.1:8000", "2.0/s", "refused 0.5/s", "groundedness 0.50", "all", "1.2.3", "ready"):
        assert text in told
    assert "spool" not in told
