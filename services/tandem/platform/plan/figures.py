"""Outcomes of several windows as one: percentiles and shares, each window with the weight of what it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem.platform.plan.simulate import Outcome
from tandem.platform.plan.windows import Stretch


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds from the arrival to the first token and to the last, shares of the requests, shares of the GPUs' time."""

    first_p50_s: float
    first_p99_s: float
    whole_p50_s: float
    whole_p99_s: float
    refused_share: float
    forbidden_share: float
    overflow_share: float
    busy: float
    used: float


def merged(found: Sequence[tuple[Stretch, Outcome]], overflow: str | None = None) -> Figures:
    """`overflow` is the pool whose share of the answers is wanted."""
    asked = sum(stretch.requests for stretch, _ in found)
    gpus = sum(stretch.minutes * stretch.replicas for stretch, _ in found)

    def of_requests(share: Sequence[float]) -> float:
        return sum(part * stretch.requests for part, (stretch, _) in zip(share, found, strict=True)) / asked

    def of_gpus(share: Sequence[float]) -> float:
        parts = zip(share, found, strict=True)
        return sum(part * stretch.minutes * stretch.replicas for part, (stretch, _) in parts) / gpus if gpus else 0.0

    first, whole = _spread(found, "first_s"), _spread(found, "whole_s")
    return Figures(
        *first,
        *whole,
        of_requests([outcome.refused_share for _, outcome in found]),
        of_requests([outcome.forbidden / max(1, outcome.asked) for _, outcome in found]),
        of_requests([outcome.at[overflow] / max(1, outcome.answered) if overflow else 0.0 for _, outcome in found]),
        of_gpus([outcome.busy for _, outcome in found]),
        of_gpus([outcome.used for _, outcome in found]),
    )


def percentile(seconds: Sequence[float], share: float) -> float:
    """Infinite when there is nothing."""
    return float(np.quantile(np.asarray(seconds), share)) if seconds else float("inf")


def _spread(found: Sequence[tuple[Stretch, Outcome]], name: str) -> tuple[float, float]:
    parts = [(np.asarray(getattr(outcome, name)), stretch.requests) for stretch, outcome in found]
    parts = [(seconds, weight) for seconds, weight in parts if len(seconds)]
    if not parts:
        return float("inf"), float("inf")
    values = np.concatenate([seconds for seconds, _ in parts])
    weights = np.concatenate([np.full(len(seconds), weight / len(seconds)) for seconds, weight in parts])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    at = [min(len(values) - 1, int(np.searchsorted(reached, share))) for share in (0.5, 0.99)]
    return float(values[order[at[0]]]), float(values[order[at[1]]])
