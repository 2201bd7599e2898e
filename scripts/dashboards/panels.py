"""Dashboards as values, and the JSON that Grafana imports.

Grafana's own builder for Python (grafana-foundation-sdk) is there for Grafana 10.1 only on PyPI, as an alpha; grafanalib has
gone without a release for years. What our panels need of Grafana's format is these lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_LEGEND = {"displayMode": "list", "placement": "bottom"}
# Colour from a value on, the first one from the bottom.
Steps = tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Query:
    """One expression; `legend` may hold labels, as `{{pool}}`. With `exemplars` single traces are shown on the graph."""

    expression: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph. `width` of 24 columns; `kind` is Grafana's: timeseries, stat, heatmap. `stacked` adds its lines up."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    about: str = ""
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    most: float | None = None
    decimals: int | None = None
    steps: Steps = (("blue", None),)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A label that the reader chooses values of, among those of `series`."""

    name: str
    title: str
    series: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page; `uid` is its address in Grafana, and its file's name."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def queries(self) -> Iterator[tuple[str, str]]:
        """Every expression, with what it is found by."""
        for variable in (_NAMESPACE, *self.variables):
            yield f"{self.uid}: ${variable.name}", f"count by ({variable.name}) ({variable.series})"
        for row in self.rows:
            for panel in row.panels:
                for query in panel.queries:
                    yield f"{self.uid}: {panel.title}", query.expression


_NAMESPACE = Variable("namespace", "Namespace", "tandem_build_info")


def model(board: Dashboard) -> dict[str, Any]:
    """As Grafana exports one."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["tandem"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        # One crosshair over all panels.
        "graphTooltip": 1,
        "timezone": "",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [
            {"type": "dashboards", "title": "Tandem", "tags": ["tandem"], "asDropdown": False}
            | {"includeVars": True, "keepTime": True}
        ],
        "annotations": {"list": []},
        "templating": {"list": [_source(), *(_variable(each) for each in (_NAMESPACE, *board.variables))]},
        "panels": list(_panels(board.rows)),
    }


def _source() -> dict[str, Any]:
    told = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {**told, "current": {}, "refresh": 1}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.title,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": f"label_values({variable.series}, {variable.name})", "refId": variable.name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "sort": 1,
        "current": {},
    }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Rows from top to bottom; a panel that finds no room in its line begins the next one."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }
        left, top, deep = 0, top + 1, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, deep = 0, top + deep, 0
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield _panel(panel, number) | {"gridPos": place}
            left, deep = left + panel.width, max(deep, panel.height)
        top += deep


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    defaults, options = _SHAPES[panel.kind](panel)
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "targets": [_target(panel, name, query) for name, query in zip(ascii_uppercase, panel.queries, strict=False)],
        "fieldConfig": {"defaults": {"unit": panel.unit, **defaults}, "overrides": []},
        "options": options,
    }


def _target(panel: Panel, name: str, query: Query) -> dict[str, Any]:
    told = {"refId": name, "datasource": _SOURCE, "expr": query.expression, "legendFormat": query.legend}
    if panel.kind == "heatmap":
        told["format"] = "heatmap"
    return told | ({"exemplar": True} if query.exemplars else {})


def _timeseries(panel: Panel) -> tuple[dict[str, Any], dict[str, Any]]:
    drawn: dict[str, Any] = {"fillOpacity": 20 if panel.stacked else 5, "lineWidth": 1, "showPoints": "never"}
    if panel.stacked:
        drawn["stacking"] = {"mode": "normal"}
    limits = {"min": 0} | ({} if panel.most is None else {"max": panel.most})
    return {"custom": drawn, **limits}, {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}}


def _stat(panel: Panel) -> tuple[dict[str, Any], dict[str, Any]]:
    steps = [{"color": colour, "value": value} for colour, value in panel.steps]
    defaults: dict[str, Any] = {"thresholds": {"mode": "absolute", "steps": steps}}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    return defaults, {"colorMode": "background", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}


def _heatmap(panel: Panel) -> tuple[dict[str, Any], dict[str, Any]]:
    colours = {"mode": "scheme", "scheme": "Blues"}
    return {}, {"calculate": False, "yAxis": {"unit": panel.unit}, "color": colours}


_SHAPES = {"timeseries": _timeseries, "stat": _stat, "heatmap": _heatmap}
