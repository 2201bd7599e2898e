"""The chart's dashboards: each a module with its `BOARD`; `made` writes them as JSON once every query is known to be right."""

import json
from pathlib import Path
from typing import Any

import yaml

from dashboards import ingestion, jobs, monitor, overview, predictor, quality, retrieval, tenants
from dashboards.panels import Dashboard, model
from dashboards.series import exported, wrong

BOARDS: tuple[Dashboard, ...] = tuple(
    module.BOARD for module in (overview, retrieval, predictor, tenants, quality, jobs, monitor, ingestion)
)
RULES = Path(__file__).parents[2] / "charts/tandem/rules"


class Unknown(Exception):
    """Queries name what there is not; the message has a line for each."""


def rules() -> list[dict[str, Any]]:
    """Every rule of the chart: recorded series and alerts."""
    files = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RULES.glob("*.yaml")))
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def known() -> dict[str, frozenset[str]]:
    """Every series that a query may name, with its labels: exported ones, and recorded ones."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    return exported() | dict.fromkeys(recorded, frozenset({"namespace"}))


def made() -> dict[str, str]:
    """Each dashboard's file in the chart, with its text. Raises `Unknown`."""
    there = known()
    asked = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    asked += [pair for board in BOARDS for pair in board.queries]
    if faults := [f"{where}: {fault}" for where, query in asked for fault in wrong(query, there)]:
        raise Unknown("\n".join(faults))
    return {
        f"dashboards/{board.uid}.json": json.dumps(model(board), indent=2, ensure_ascii=False) + "\n"
        for board in BOARDS
    }
