"""Every query of the dashboards and of the alerts finds data in a Prometheus that scrapes running processes."""

import itertools
import re
import time
from collections.abc import Iterator

import pytest

from charts.programs import program
from component.prometheus_server import Prometheus, prometheus
from component.watched import Watched, collector, traffic, watched
from dashboards import BOARDS, RULES
from dashboards import rules as chart_rules
from dashboards.series import selectors

pytestmark = pytest.mark.component
PATIENCE_S = 120.0
# What cannot have data here, and why.
EMPTY = {
    r"vllm:": "no vLLM runs without a GPU; the names are those of its own page on metrics",
    r"judge_": "the extractive engine, which judges here, writes no judgement that can be read",
    r"tandem_question_drift\{": "it stands at NaN until a week of questions lies behind it",
    r"tandem_privacy_deleted_total": "what is deleted for its age is looked for by the hour",
    r"tandem_jobs_put_back_total": "jobs here are over before a crowd meets them at work; test_jobs_yield.py sees to that",
    r"tandem_batches_open": "a batch here is over between two looks at the store, which are 15 s apart",
    r"tandem_stream_": "no broker runs beside the processes here; test_streams.py reads the metrics of one that has one",
    r'status="storage_full"': "the disk of this machine is not to be filled",
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with collector() as receiver, watched(tmp_path_factory.mktemp("watched"), receiver) as running:
        yield running


@pytest.fixture(scope="module")
def live(deployed: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus") / "server"
    with prometheus(program("prometheus"), folder, deployed.urls, sorted(RULES.glob("*.yaml"))) as server:
        yield server


def _asked(expression: str) -> str:
    """As Grafana asks it, with everything chosen."""
    chosen = {"$__rate_interval": "1m", "$__range": "1m", "$namespace": ".*", "$pool": ".*", "$tenant": ".*"}
    for name, value in chosen.items():
        expression = expression.replace(name, value)
    return expression


def _empty(deployed: Watched, live: Prometheus, queries: dict[str, str]) -> str:
    """Those that return nothing, one a line, although all kinds of requests go on for a while."""
    deadline = time.monotonic() + PATIENCE_S
    missing = dict(queries)
    for turn in itertools.count():
        missing = {where: query for where, query in missing.items() if not live.query(query)}
        if not missing or time.monotonic() > deadline:
            return "\n".join(sorted(missing))
        # What is counted between two scrapes has a rate.
        traffic(deployed, turn)
    raise AssertionError


def _may_be_empty(query: str) -> bool:
    return any(re.search(name, query) for name in EMPTY)


def test_every_panel_shows_data(deployed: Watched, live: Prometheus) -> None:
    asked = [pair for board in BOARDS for pair in board.queries if not _may_be_empty(pair[1])]
    queries = {f"{where}: {query}": _asked(query) for where, query in asked}
    missing = _empty(deployed, live, queries)
    assert not missing, missing


def test_every_rule_is_evaluated_and_its_series_are_there(deployed: Watched, live: Prometheus) -> None:
    assert [(rule["name"], rule.get("lastError")) for rule in live.rules() if rule["health"] != "ok"] == []
    assert live.down() == []
    queries = {
        f"{rule.get('alert') or rule['record']}: {name}{{{matchers}}}": f"{name}{{{matchers}}}"
        for rule in chart_rules()
        for name, matchers in selectors(rule["expr"])
        if not _may_be_empty(f"{name}{{{matchers}}}")
    }
    missing = _empty(deployed, live, queries)
    assert not missing, missing
