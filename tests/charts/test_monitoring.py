"""Alerts and dashboards speak of metrics that exist, by labels that these have; every alert is tested and explained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.programs import output, program
from charts.rendering import CHART, objects
from dashboards import BOARDS, known, made, rules
from dashboards.series import exported, series, wrong

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "charts/tandem/rules").glob("*.yaml"))
DASHBOARDS = sorted((ROOT / "charts/tandem/dashboards").glob("*.json"))
TESTS = sorted((ROOT / "tests/charts/rules").glob("*.yaml"))
RUNBOOKS = "https://github.com/tandem-rag/tandem/blob/main/docs/runbooks.md#"


def _alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def _queries() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for board in BOARDS:
        yield from board.queries


def test_the_dashboards_in_the_chart_are_those_that_are_made() -> None:
    there = {f"dashboards/{path.name}": path.read_text() for path in DASHBOARDS}
    assert there == made()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ('sum(rate(tandem_answer_total{namespace="x"}[5m]))', ["there is no metric tandem_answer_total"]),
        ('tandem_answers_total{kind="x"}', ["tandem_answers_total has no label kind"]),
        ("sum by (route) (tandem_answers_total)", ["nothing in it has the label route"]),
        ("tandem_answers_total > 3  # of tandem_nothing", []),
    ],
)
def test_a_query_that_names_what_there_is_not_makes_no_dashboard(query: str, told: list[str]) -> None:
    assert wrong(query, known()) == told


def test_every_query_names_metrics_that_exist_by_labels_that_they_have() -> None:
    there = known()
    assert [f"{where}: {fault}" for where, query in _queries() for fault in wrong(query, there)] == []


def test_every_metric_of_ours_is_shown_somewhere() -> None:
    ending = re.compile(r"_(total|bucket|count|sum|created)$")
    shown = {ending.sub("", name) for _, query in _queries() for name, _ in series(query)}
    ours = {ending.sub("", name) for name in exported() if name.startswith("tandem_")}
    assert sorted(ours - shown) == []


def test_every_series_of_a_rule_is_narrowed_when_the_chart_is_rendered() -> None:
    open_ended = [
        f"{rule.get('alert') or rule['record']}: {selector}"
        for rule in rules()
        for selector in re.findall(r"\b(?:namespace:)?(?:tandem|tgi|process|vllm)[\w:]*(?:\{[^}]*\})?", rule["expr"])
        if 'namespace=~".+"' not in selector
    ]
    assert open_ended == []


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: f"{alert['alert']}-{alert['labels'].get('window', '')}")
def test_an_alert_says_how_bad_it_is_what_is_wrong_and_where_to_read_on(alert: dict[str, Any]) -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE)
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == RUNBOOKS + alert["alert"].lower()
    assert alert["alert"] in headings


def test_the_page_on_monitoring_lists_every_alert() -> None:
    page = (ROOT / "docs/monitoring.md").read_text()
    listed = re.findall(r"^\| `(Tandem\w+)` \| ([a-z, ]+) \|", page, re.MULTILINE)
    severities: dict[str, set[str]] = {}
    for alert in _alerts():
        severities.setdefault(alert["alert"], set()).add(alert["labels"]["severity"])
    assert {name: set(told.split(", ")) for name, told in listed} == severities


def test_every_alert_is_seen_to_come_in_a_test() -> None:
    come = {
        case["alertname"]
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert {alert["alert"] for alert in _alerts()} == come


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_promtool_finds_nothing_wrong_with_the_rules(path: Path) -> None:
    output(program("promtool"), "check", "rules", "--lint-fatal", str(path))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_rules_alert_when_they_should(path: Path) -> None:
    output(program("promtool"), "test", "rules", str(path))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_imported_anywhere(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem
    assert "tandem" in board["tags"]
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert {"datasource", "namespace"} <= variables
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps([panel.get("targets") for panel in board["panels"]])))
    assert used - {"__rate_interval", "__range"} <= variables
    for panel in (panel for panel in board["panels"] if panel["type"] != "row"):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_panels_of_a_dashboard_lie_side_by_side(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def _thresholds() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())["monitoring"]["rules"]["thresholds"]
    return found


def test_every_threshold_is_a_number_of_a_rule_and_the_files_have_the_defaults() -> None:
    text = "".join(path.read_text() for path in RULES)
    standing: dict[str, set[float]] = {}
    for number, bound, name in re.findall(r'(?:([\d.]+)|le=~"([\d.]+)\(.*)  # (\w+)$', text, re.MULTILINE):
        standing.setdefault(name, set()).add(float(number or bound))
    assert standing.pop("spoolBytes") == {0.8e9}
    wanted = {name: {float(value)} for name, value in _thresholds().items()}
    assert wanted.pop("spoolShare") == {0.8}
    assert standing == wanted


def test_thresholds_of_the_values_are_what_is_rendered() -> None:
    chosen = {name: value / 2 for name, value in _thresholds().items()}
    chosen |= {"firstTokenSeconds": 10, "freshSeconds": 60, "restarts": 7, "recordsLost": 3, "telemetryLost": 5}
    values = {
        "config": {"server": {"allow_unauthenticated": True}, "monitor": {"spool": {"max_bytes": 500_000_000}}},
        "monitoring": {"rules": {"enabled": True, "thresholds": chosen}},
    }
    found = objects(CHART / "values-small-cpu.yaml", values=values)
    rules = [
        rule
        for one in found
        if one["kind"] == "PrometheusRule"
        for group in one["spec"]["groups"]
        for rule in group["rules"]
    ]
    text = "\n".join(rule["expr"] for rule in rules)
    standing = {
        name: float(number or bound)
        for number, bound, name in re.findall(r'(?:([\d.e+]+)|le=~"([\d.]+)\(.*)  # (\w+)$', text, re.MULTILINE)
    }
    assert standing.pop("spoolBytes") == 0.5 * chosen.pop("spoolShare") * 1e9
    assert standing == chosen
