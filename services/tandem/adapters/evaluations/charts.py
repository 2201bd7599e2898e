"""Charts as inline SVG: bars with intervals, differences around zero, a line over time. No script, colours from the page's style.

Every mark has a title, which browsers show as a tooltip and readers read out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 460
_LABELS = 128
_VALUES = 52
_BAR = 13
_GAP = 11
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """A mean with its interval, 0…1 or a difference; `series` is a or b."""

    series: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """What stands beside one label."""

    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a history; `label` is its time for people."""

    label: str
    value: float
    low: float
    high: float


def bars(title: str, groups: Sequence[Group]) -> str:
    """Horizontal bars from 0 to 1 with whiskers for the intervals."""
    plot = _WIDTH - _LABELS - _VALUES
    parts: list[str] = []
    top = 6.0
    for group in groups:
        middle = top + len(group.marks) * _BAR / 2
        parts.append(text(_LABELS - 8, middle + 4, group.label, "label", anchor="end"))
        for mark in group.marks:
            y, width = top, plot * min(max(mark.value, 0.0), 1.0)
            told = f"{group.label}, {mark.series}: {mark.value:.4f} (95 % CI {mark.low:.4f} to {mark.high:.4f})"
            parts.append(
                f'<g class="{mark.series}"><title>{escape(told)}</title>'
                f'<rect class="bar" x="{_LABELS}" y="{y + 1:.1f}" width="{width:.1f}" height="{_BAR - 2}" rx="2"/>'
                f"{_whisker(_LABELS + plot * mark.low, _LABELS + plot * mark.high, y + _BAR / 2)}</g>"
            )
            parts.append(text(_WIDTH - _VALUES + 8, y + _BAR - 3, f"{mark.value:.3f}", "value"))
            top += _BAR
        top += _GAP
    axis = "".join(
        f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{top:.1f}"/>'
        f"{text(x, top + 12, f'{share:g}', 'tick', anchor='middle')}"
        for share in (0, 0.25, 0.5, 0.75, 1)
        for x in (_LABELS + plot * share,)
    )
    return svg(title, _WIDTH, top + 18, axis + "".join(parts))


def counts(title: str, found: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars of whole numbers, the longest fills the width."""
    plot = _WIDTH - _LABELS - _VALUES
    most = max((count for _, count in found), default=1)
    parts: list[str] = []
    top = 4.0
    for label, count in found:
        parts.append(text(_LABELS - 8, top + _BAR - 3, label, "label", anchor="end"))
        parts.append(
            f'<g class="lost"><title>{escape(label)}: {count}</title><rect class="bar" x="{_LABELS}" y="{top + 1:.1f}" '
            f'width="{plot * count / most:.1f}" height="{_BAR - 2}" rx="2"/></g>'
        )
        parts.append(text(_LABELS + plot * count / most + 6, top + _BAR - 3, str(count), "value"))
        top += _BAR + _GAP
    return svg(title, _WIDTH, top, "".join(parts))


def differences(title: str, groups: Sequence[Group]) -> str:
    """A dot and an interval each, around a line at zero; what is left of it is worse."""
    plot = _WIDTH * 2 - _LABELS - _VALUES - 60
    left = _LABELS + 50
    reach = max((abs(end) for group in groups for mark in group.marks for end in (mark.low, mark.high)), default=0.0)
    reach = max(reach, 0.001) * 1.1
    parts: list[str] = []
    top = 4.0

    def at(value: float) -> float:
        return left + plot * (value + reach) / (2 * reach)

    for group in groups:
        y = top + 9
        parts.append(text(left - 8, y + 4, group.label, "label", anchor="end"))
        for mark in group.marks:
            told = f"{group.label}: {mark.value:+.4f} (95 % CI {mark.low:+.4f} to {mark.high:+.4f})"
            parts.append(
                f'<g class="{mark.series}"><title>{escape(told)}</title>{_whisker(at(mark.low), at(mark.high), y)}'
                f'<circle class="dot" cx="{at(mark.value):.1f}" cy="{y:.1f}" r="4.5"/></g>'
            )
            parts.append(text(left + plot + 10, y + 4, _signed(mark.value), "value"))
        top += 22
    zero = f'<line class="zero" x1="{at(0):.1f}" y1="0" x2="{at(0):.1f}" y2="{top:.1f}"/>'
    ticks = "".join(
        text(at(value), top + 12, _signed(value) if value else "0", "tick", anchor="middle")
        for value in (-reach / 1.1, 0.0, reach / 1.1)
    )
    return svg(title, _WIDTH * 2, top + 18, zero + ticks + "".join(parts))


def line(title: str, points: Sequence[Point]) -> str:
    """Values over runs, evenly spaced, with a band for the intervals. At least two points."""
    width, height, left, right, top, bottom = _WIDTH * 2, 190, 48, 16, 10, 34
    least = max(0.0, min(point.low for point in points) - 0.02)
    most = min(1.0, max(point.high for point in points) + 0.02)

    def at(index: int, value: float) -> tuple[float, float]:
        x = left + (width - left - right) * index / (len(points) - 1)
        return x, top + (height - top - bottom) * (1 - (value - least) / ((most - least) or 1))

    upper = [at(index, point.high) for index, point in enumerate(points)]
    lower = [at(index, point.low) for index, point in reversed(list(enumerate(points)))]
    path = [at(index, point.value) for index, point in enumerate(points)]
    grid = "".join(_level(at(0, value)[1], left, width - right, value) for value in _levels(least, most))
    dots = "".join(
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(point.label)}: {point.value:.4f} '
        f"(95 % CI {point.low:.4f} to {point.high:.4f})</title></circle>"
        for point, (x, y) in zip(points, path, strict=True)
    )
    ends = "".join(
        text(at(index, least)[0], height - 12, points[index].label, "tick", anchor=anchor)
        for index, anchor in ((0, "start"), (len(points) - 1, "end"))
    )
    body = (
        f'{grid}<g class="a"><polygon class="band" points="{joined([*upper, *lower])}"/>'
        f'<polyline class="line" points="{joined(path)}"/>{dots}</g>{ends}'
    )
    return svg(title, width, height, body)


def _levels(least: float, most: float) -> Iterator[float]:
    for step in range(_TICKS):
        yield least + (most - least) * step / (_TICKS - 1)


def _level(y: float, left: float, right: float, value: float) -> str:
    return (
        f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        f"{text(left - 6, y + 4, f'{value:.2f}', 'tick', anchor='end')}"
    )


def _whisker(low: float, high: float, y: float) -> str:
    ends = "".join(f'<line x1="{x:.1f}" y1="{y - 3.5:.1f}" x2="{x:.1f}" y2="{y + 3.5:.1f}"/>' for x in (low, high))
    return f'<g class="whisker"><line x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}"/>{ends}</g>'


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def joined(found: Sequence[tuple[float, float]]) -> str:
    """A polyline's points."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in found)


def text(x: float, y: float, told: str, kind: str, *, anchor: str = "start") -> str:
    """One line of text, escaped."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(told)}</text>'


def svg(title: str, width: float, height: float, body: str) -> str:
    """A drawing with a name."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title, quote=True)}">{body}</svg>'
    )
