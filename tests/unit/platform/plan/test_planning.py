"""Shapes, costs, break-even points and the recommendation: a whole plan of little traffic."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import yaml

from tandem.domain.errors import ConfigurationError, InvalidRequest
from tandem.platform.plan.body import body, per_thousand
from tandem.platform.plan.costs import cost_of
from tandem.platform.plan.planning import Plan, plan
from tandem.platform.plan.prices import load_book
from tandem.platform.plan.shapes import CLOUD, HYBRID, MICROSERVICES, MONOLITH, ONPREM, SHAPES
from tandem.platform.plan.traffic import Traffic, load_traffic
from tandem.platform.plan.values import values, values_text

BOOK = load_book()
HERE = {"onprem": "eu", "cloud": "eu", "api": "us"}


def traffic(**given: Any) -> Traffic:
    return load_traffic(None, {"requests_per_second": 2.0, **given}, day="business")


@cache
def usual() -> Plan:
    return plan(traffic(), BOOK, requests=300)


@cache
def kept_here() -> Plan:
    tenants = {"acme": {"share": 0.6, "regions": ["eu"]}}
    given = {"requests_per_second": 4.0, "tenants": tenants, "regions": HERE}
    return plan(traffic(**given), BOOK, wanted=(ONPREM, CLOUD, HYBRID), requests=300)


def only(shape: str, **given: Any) -> Plan:
    return plan(traffic(**given), BOOK, wanted=(shape,), requests=300)


def test_all_five_shapes_are_there_and_the_cheapest_that_holds_is_recommended() -> None:
    found = usual()
    assert {shape.name for shape in found.shapes} == set(SHAPES)
    fit = [shape for shape in found.shapes if shape.unfit is None]
    assert found.recommended.cost.total == min(shape.cost.total for shape in fit)
    assert found.recommended.name in found.reason and "USD a month" in found.reason


def test_costs_add_up() -> None:
    found = usual()
    for shape in found.shapes:
        cost = shape.cost
        assert cost.total == pytest.approx(cost.gpu + cost.cpu + cost.store + cost.api)
        assert 0 <= cost.idle <= cost.gpu
        assert cost.idle == pytest.approx(cost.gpu * (1 - shape.figures.used))
        answers = found.traffic.mean * 730 * 3600 * (1 - shape.figures.refused_share)
        assert per_thousand(found, shape) == pytest.approx(cost.total / answers * 1000)


def test_own_gpus_cost_the_same_whether_they_work_or_not() -> None:
    found = {shape.name: shape for shape in usual().shapes}
    onprem = found[ONPREM]
    expected = onprem.owned * BOOK.owned_gpu_hour("a10g") * 730
    assert onprem.cost.gpu == pytest.approx(expected) and onprem.replicas.min() == onprem.replicas.max()
    assert found[CLOUD].cost.gpu == 0 and found[CLOUD].most_replicas == 0


def test_a_provider_s_bill_is_its_price_for_the_tokens_of_the_month() -> None:
    cloud = next(shape for shape in usual().shapes if shape.name == CLOUD)
    prompt, answer = BOOK.token_prices("llama-3.1-8b") or (0.0, 0.0)
    per_answer = 1200 * prompt + 250 * answer
    assert cloud.cost.api == pytest.approx(per_answer * traffic().mean * 730 * 3600, rel=0.01)


def test_more_expensive_gpus_make_what_has_them_more_expensive_and_nothing_else() -> None:
    cheap, dear = (cost_of(BOOK, traffic(gpu=gpu), 0.5, gpus=3.0, gateways=2.0) for gpu in ("a10g", "h100-80"))
    assert dear.gpu > cheap.gpu and (dear.cpu, dear.store) == (cheap.cpu, cheap.store)


def test_the_json_has_the_figures_of_each_shape() -> None:
    found = body(usual())
    assert set(found["shapes"]) == set(SHAPES) and found["recommended"] in SHAPES
    for shape in found["shapes"].values():
        assert {"cost_per_month", "gpu_idle_share", "p50_ms", "p99_ms", "first_token_p99_ms"} <= set(shape)
        assert shape["p50_ms"] <= shape["p99_ms"] and 0 <= shape["gpu_idle_share"] <= 1
        assert len(shape["replicas_by_hour"]) == 24


def test_break_even_points_lie_where_costs_cross() -> None:
    found = usual()
    costs = {curve.name: curve for curve in found.curves}
    for point in found.break_even:
        below, above = costs[point.below], costs[point.above]
        rates = np.array(below.rates)
        at = int(np.searchsorted(rates, point.requests_per_second))
        assert above.costs[min(at + 1, len(rates) - 1)] <= below.costs[min(at + 1, len(rates) - 1)]


def test_no_shape_sends_away_what_has_to_stay() -> None:
    found = {shape.name: shape for shape in kept_here().shapes}
    assert (found[CLOUD].unfit or "").startswith("residency: 60%")
    assert found[CLOUD].figures.forbidden_share == pytest.approx(0.6, abs=0.06)
    assert found[HYBRID].figures.forbidden_share == 0 and found[HYBRID].api_share <= 0.4
    assert kept_here().recommended.name != CLOUD


def test_objectives_that_nothing_can_hold_say_what_comes_nearest() -> None:
    with pytest.raises(InvalidRequest, match=r"No shape holds to the objectives; .* comes nearest") as raised:
        plan(traffic(slo={"first_token_p99_s": 0.05}), BOOK, wanted=(ONPREM, CLOUD), requests=200)
    assert "--slo-first-token" in (raised.value.hint or "")


def test_a_model_that_no_provider_has_is_planned_without_one() -> None:
    known = BOOK.models["llama-3.1-8b"].model_copy(update={"api": None})
    book = BOOK.model_copy(update={"models": {"llama-3.1-8b": known}})
    assert [s.name for s in plan(traffic(), book, wanted=(ONPREM, CLOUD), requests=200).shapes] == [ONPREM]
    with pytest.raises(ConfigurationError, match="no provider"):
        plan(traffic(), book, wanted=(CLOUD,), requests=200)


def test_gpus_that_may_sleep_cost_less_where_hardly_anybody_asks() -> None:
    given = {"requests_per_second": 0.0004, "slo": {"first_token_p99_s": 400.0}}
    plans = [only(MICROSERVICES, least_replicas=least, **given) for least in (1, 0)]
    awake, asleep = (found.recommended for found in plans)
    assert asleep.cost.gpu < 0.7 * awake.cost.gpu
    assert asleep.figures.first_p99_s > 100 > awake.figures.first_p99_s
    found = values(plans[1])
    assert found["predictor"]["autoscaling"]["minReplicas"] == 0
    wake_s = found["config"]["resilience"]["wake_s"]
    assert plans[1].fit.times.start_s < wake_s < found["config"]["server"]["request_timeout_s"]


@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_every_shape_are_yaml_and_name_what_they_deploy(shape: str) -> None:
    found = only(shape)
    text = values_text(found)
    assert text.startswith("# Made by `tandem plan`") and yaml.safe_load(text) == values(found)
    predictor = values(found)["predictor"]
    if shape == CLOUD:
        assert predictor == {"enabled": False}
        return
    assert predictor["budget"]["maxConcurrentRequests"] == found.fit.times.slots
    assert ("autoscaling" in predictor) == (shape in {MONOLITH, MICROSERVICES})


def test_values_carry_residency_and_the_spill_rule() -> None:
    config = values(kept_here())["config"]
    assert config["tenants"] == {"acme": {"regions": ["eu"]}}
    assert config["pools"][0]["region"] == "eu"
