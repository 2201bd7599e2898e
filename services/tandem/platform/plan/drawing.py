"""The drawings of a plan: stacked bars of amounts, and several lines over a day or over rates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tandem.adapters.evaluations.charts import joined, svg, text

_WIDTH = 920
_LABELS = 120
_VALUES = 90
# As wide as a letter of the page's 12 pixels is on average.
_LETTER = 7
_BAR = 18
_GAP = 12
_TOP, _BOTTOM, _LEFT, _RIGHT = 12, 40, 64, 150
_HEIGHT = 260
_LETTERING = 13


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of parts, each of a kind that the page has a colour for, and what stands behind it."""

    label: str
    parts: tuple[tuple[str, float], ...]
    value: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with its name at its end; `kind` is its colour."""

    name: str
    kind: str
    xs: Sequence[float]
    ys: Sequence[float]


def stacked(title: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars, the longest fills the width."""
    plot = _WIDTH - _LABELS - max([_VALUES, *(_LETTER * len(bar.value) + 16 for bar in bars)])
    most = max((sum(amount for _, amount in bar.parts) for bar in bars), default=0.0) or 1.0
    drawn: list[str] = []
    top = 4.0
    for bar in bars:
        drawn.append(text(_LABELS - 8, top + _BAR - 5, bar.label, "label", anchor="end"))
        x = float(_LABELS)
        for kind, amount in bar.parts:
            width = plot * amount / most
            told = f"{bar.label}, {kind}: {amount:,.0f}"
            drawn.append(
                f'<g class="{kind}"><title>{escape(told)}</title>'
                f'<rect class="bar" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_BAR}"/></g>'
            )
            x += width
        drawn.append(text(x + 8, top + _BAR - 5, bar.value, "value"))
        top += _BAR + _GAP
    return svg(title, _WIDTH, top, "".join(drawn))


def lines(title: str, found: Sequence[Line], *, across: str, up: str, logarithmic: bool = False) -> str:
    """Lines over the same axis, from zero; or both axes by tens."""
    xs = [x for line in found for x in line.xs]
    ys = [y for line in found for y in line.ys]
    x_axis = _Axis(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT, logarithmic)
    y_axis = _Axis(min(ys) if logarithmic else 0.0, max(ys) or 1.0, _HEIGHT - _BOTTOM, _TOP, logarithmic)
    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>'
        f"{text(_LEFT - 6, y + 4, told, 'tick', anchor='end')}"
        for y, told in y_axis.ticks()
    )
    grid += "".join(text(x, _HEIGHT - _BOTTOM + 14, told, "tick", anchor="middle") for x, told in x_axis.ticks())
    grid += text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, across, "tick", anchor="middle")
    grid += text(_LEFT, _TOP - 2, up, "tick")
    paths = [[(x_axis.at(x), y_axis.at(y)) for x, y in zip(line.xs, line.ys, strict=True)] for line in found]
    names = _apart([path[-1][1] + 4 for path in paths])
    drawn = "".join(
        f'<g class="{line.kind}"><title>{escape(line.name)}</title><polyline class="line" points="{joined(path)}"/>'
        f"{text(_WIDTH - _RIGHT + 8, y, line.name, 'name')}</g>"
        for line, path, y in zip(found, paths, names, strict=True)
    )
    return svg(title, _WIDTH, _HEIGHT, grid + drawn)


def _apart(wanted: Sequence[float]) -> list[float]:
    """Heights of names, in the lines' order, that do not lie on each other and stay inside."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    found = list(wanted)
    free = float(_TOP)
    for n in order:
        found[n] = free = max(found[n], free)
        free += _LETTERING
    free = float(_HEIGHT - 6)
    for n in reversed(order):
        found[n] = free = min(found[n], free)
        free -= _LETTERING
    return found


@dataclass(frozen=True, slots=True)
class _Axis:
    least: float
    most: float
    begins: float
    ends: float
    logarithmic: bool

    def at(self, value: float) -> float:
        if self.logarithmic:
            low, high = math.log(self.least), math.log(self.most)
            share = (math.log(max(value, self.least)) - low) / ((high - low) or 1.0)
        else:
            share = (value - self.least) / ((self.most - self.least) or 1.0)
        return self.begins + (self.ends - self.begins) * share

    def ticks(self) -> list[tuple[float, str]]:
        if self.logarithmic:
            tens = range(math.ceil(math.log10(self.least)), math.floor(math.log10(self.most)) + 1)
            return [(self.at(10.0**power), f"{10.0**power:,g}") for power in tens]
        step = _step(self.most - self.least)
        count = int((self.most - self.least) / step + 1e-9)
        return [(self.at(self.least + step * n), f"{self.least + step * n:,g}") for n in range(count + 1)]


def _step(span: float) -> float:
    """One, two or five of some ten: four to eight of them."""
    rough = span / 6
    ten = 10.0 ** math.floor(math.log10(rough))
    return next(ten * factor for factor in (1, 2, 5, 10) if ten * factor >= rough * 0.999)
