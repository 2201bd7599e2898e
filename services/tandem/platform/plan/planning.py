"""From traffic, prices and service times to the shape that is recommended, and why."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tandem.domain.errors import ConfigurationError, InvalidRequest
from tandem.platform.plan.apart import Apart, apart
from tandem.platform.plan.breakeven import BreakEven, Curve, crossings, curves
from tandem.platform.plan.engines import Fit, fitted
from tandem.platform.plan.objectives import RESIDENCY
from tandem.platform.plan.prices import Book
from tandem.platform.plan.shapes import HYBRID, SHAPES, Ground, Shape, shapes
from tandem.platform.plan.traffic import Traffic
from tandem.platform.plan.windows import REQUESTS, Lab


@dataclass(frozen=True, slots=True)
class Plan:
    """All that was found. `shapes` are in the order of their cost, those that can be taken first."""

    book: Book
    traffic: Traffic
    fit: Fit
    shapes: tuple[Shape, ...]
    curves: tuple[Curve, ...]
    break_even: tuple[BreakEven, ...]
    windows: int
    spill_wait_s: tuple[float, float]
    apart: Apart

    @property
    def recommended(self) -> Shape:
        """The cheapest that holds to everything."""
        return self.shapes[0]

    @property
    def reason(self) -> str:
        """In a sentence."""
        best, money = self.recommended, self.book.currency
        others = [shape for shape in self.shapes[1:] if shape.unfit is None]
        sentence = f"{best.name} ({best.told}) costs {best.cost.total:,.0f} {money} a month"
        if others:
            saved = 1 - best.cost.total / others[0].cost.total
            sentence += f", {saved:.0%} less than {others[0].name}, the next that holds to the objectives"
        else:
            sentence += " and is the only one that holds to the objectives"
        if best.name == HYBRID:
            sentence += f"; {best.owned} own replicas answer {1 - best.api_share:.0%}, the rest goes to the provider"
        return f"{sentence}; p99 of first tokens is {best.figures.first_p99_s:.2f} s of {self.traffic.slo.first_token_p99_s:g} s."


def plan(
    traffic: Traffic,
    book: Book,
    *,
    wanted: Collection[str] = SHAPES,
    requests: int = REQUESTS,
    seed: int = 1,
    tell: Callable[[str], None] = lambda _name: None,
) -> Plan:
    """Raises `ConfigurationError` for a model that does not fit, `InvalidRequest` when no shape holds to the objectives."""
    fit = fitted(book, traffic)
    lab = Lab(traffic, requests, seed)
    ground = Ground(book, traffic, fit, lab)
    found = sorted(shapes(ground, wanted, tell), key=lambda shape: (shape.unfit is not None, shape.cost.total))
    if not found:
        raise ConfigurationError(
            f"The price book has no provider of {traffic.model}.",
            hint=f"Give models.{traffic.model}.api with --prices.",
        )
    if found[0].unfit is not None:
        raise _unmet(found)
    named = curves(ground, [shape.name for shape in found])
    points = crossings([curve for curve in named if _fits(found, curve.name)], traffic.peak)
    tier = apart(book, traffic, owned=found[0].owned > 0)
    return Plan(book, traffic, fit, tuple(found), tuple(named), tuple(points), lab.runs, ground.spill(), tier)


def _fits(found: list[Shape], name: str) -> bool:
    return any(shape.name == name and shape.unfit is None for shape in found)


def _unmet(found: list[Shape]) -> InvalidRequest:
    near = [shape for shape in found if shape.unfit is not None and not shape.unfit.startswith(RESIDENCY)] or found
    nearest = min(near, key=lambda shape: (shape.figures.refused_share, shape.figures.first_p99_s))
    return InvalidRequest(
        f"No shape holds to the objectives; {nearest.name} comes nearest: {nearest.unfit}.",
        hint="Allow more time (--slo-first-token, --slo-answer), give shorter prompts, or take a faster GPU (--gpu).",
    )
