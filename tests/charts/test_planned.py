"""What `tandem plan --values` writes is taken by the chart as it is."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from charts.rendering import Object, objects
from tandem.platform.plan.planning import Plan, plan
from tandem.platform.plan.prices import load_book
from tandem.platform.plan.shapes import SHAPES
from tandem.platform.plan.traffic import load_traffic
from tandem.platform.plan.values import values_text

TENANTS = {"acme": {"share": 0.5, "regions": ["onprem", "cloud"]}}


@cache
def planned(shape: str, engine: str, *, tenants: bool) -> Plan:
    given: dict[str, Any] = {"requests_per_second": 3.0, "engine": engine, "tenants": TENANTS if tenants else {}}
    return plan(load_traffic(None, given, day="business"), load_book(), wanted=(shape,), requests=200)


def rendered(found: Plan, folder: Path) -> dict[str, list[Object]]:
    file = folder / "values.yaml"
    file.write_text(values_text(found))
    kinds: dict[str, list[Object]] = {}
    for one in objects(file, namespace="tandem"):
        kinds.setdefault(one["kind"], []).append(one)
    return kinds


@pytest.mark.parametrize("tenants", [False, True])
@pytest.mark.parametrize("engine", ["tgi", "vllm"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_chart_takes_the_values_of_every_shape(shape: str, engine: str, tmp_path: Path, *, tenants: bool) -> None:
    found = planned(shape, engine, tenants=tenants)
    kinds = rendered(found, tmp_path)
    assert len(kinds["Deployment"]) >= 1
    assert ("InferenceService" in kinds) == (shape != "cloud")


def test_a_hybrid_s_gateways_may_reach_both_pools(tmp_path: Path) -> None:
    kinds = rendered(planned("hybrid", "tgi", tenants=False), tmp_path)
    policies = str(kinds["NetworkPolicy"])
    assert "443" in policies and "8080" in policies
