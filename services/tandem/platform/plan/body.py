"""A plan as JSON."""

import math
from typing import Any

from tandem.platform.plan.planning import Plan
from tandem.platform.plan.shapes import Shape
from tandem.platform.plan.traffic import HOURS, Floats


def body(plan: Plan) -> dict[str, Any]:
    """What `-o json` prints. A figure that is infinite or not there is null."""
    times = plan.fit.times
    return {
        "recommended": plan.recommended.name,
        "reason": plan.reason,
        "shapes": {shape.name: _shape(plan, shape) for shape in plan.shapes},
        "break_even": [
            {"below": one.below, "above": one.above, "requests_per_second": _round(one.requests_per_second, 3)}
            for one in plan.break_even
        ],
        "retriever": _retriever(plan),
        "currency": plan.book.currency,
        "prices": {"version": plan.book.version, "date": plan.book.date.isoformat()},
        "traffic": plan.traffic.model_dump(mode="json"),
        "replica": {
            "quantisation": plan.fit.quantisation,
            "gpus": plan.fit.gpus,
            "slots": times.slots,
            "read_tokens_per_s": _round(times.read_tokens_per_s, 1),
            "step_ms": _round(times.step_s * 1e3, 3),
            "step_per_answer_ms": _round(times.step_per_answer_s * 1e3, 3),
            "weights_gb": _round(plan.fit.weights_gb, 2),
            "measured": plan.fit.measured,
        },
        "simulated_windows": plan.windows,
    }


def _retriever(plan: Plan) -> dict[str, Any]:
    found = plan.apart
    return {
        "told": found.told(plan.book.currency),
        "gateways_at_peak": found.gateways,
        "retrievers_at_peak": found.retrievers,
        "gateways_at_peak_without": found.gateways_inside,
        "added_cost_per_month": _round(found.added_cost, 2),
        "spared_gateway_vcpus": _round(found.spared_vcpus, 4),
        "added_vcpus": _round(found.added_vcpus, 4),
        "added_gb_at_peak": _round(found.added_gb, 3),
        "added_first_token_p50_ms": _ms(found.first_p50_s),
        "added_first_token_p99_ms": _ms(found.first_p99_s),
        "pays_from_model_gb": None if found.pays_from_gb is None else _round(found.pays_from_gb, 2),
    }


def answers_a_month(plan: Plan, shape: Shape) -> float:
    """Whole ones, in time."""
    asked = plan.traffic.mean * 730 * 3600
    return asked * (1 - shape.figures.forbidden_share) * (1 - shape.figures.refused_share)


def per_thousand(plan: Plan, shape: Shape) -> float:
    """Cost of 1,000 answers."""
    answers = answers_a_month(plan, shape)
    return shape.cost.total / answers * 1000 if answers else math.inf


def _shape(plan: Plan, shape: Shape) -> dict[str, Any]:
    found, cost = shape.figures, shape.cost
    return {
        "cost_per_month": _round(cost.total, 2),
        "cost_per_1000_answers": _round(per_thousand(plan, shape), 4),
        "cost": {name: _round(getattr(cost, name), 2) for name in ("gpu", "cpu", "store", "api")},
        "idle_cost_per_month": _round(cost.idle, 2),
        "gpu_idle_share": _round(1 - found.used if shape.most_replicas else 0.0, 4),
        "gpu_busy_share": _round(found.busy, 4),
        "p50_ms": _ms(found.whole_p50_s),
        "p99_ms": _ms(found.whole_p99_s),
        "first_token_p50_ms": _ms(found.first_p50_s),
        "first_token_p99_ms": _ms(found.first_p99_s),
        "refused_share": _round(found.refused_share, 5),
        "residency_refused_share": _round(found.forbidden_share, 5),
        "overflow_share": _round(found.overflow_share, 4),
        "replicas_by_hour": by_hour(shape.replicas),
        "gateways_by_hour": by_hour(shape.gateways),
        "gpus_at_peak": shape.most_replicas * plan.fit.gpus,
        "owned_replicas": shape.owned,
        "demand_per_replica": shape.demand,
        "meets_objectives": shape.unfit is None,
        "why_not": shape.unfit,
    }


def by_hour(minutes: Floats) -> list[float]:
    """Means of the hours."""
    return [round(float(hour), 2) for hour in minutes.reshape(HOURS, -1).mean(axis=1)]


def _ms(seconds: float) -> float | None:
    return _round(seconds * 1000, 1)


def _round(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
