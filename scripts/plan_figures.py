"""Draws and tabulates what docs/shapes.md says of plans, by the planner itself; `--check` only tells whether that is fresh."""

import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from tandem.platform.plan.body import per_thousand
from tandem.platform.plan.planning import Plan, plan
from tandem.platform.plan.prices import load_book
from tandem.platform.plan.report import plots
from tandem.platform.plan.shapes import MICROSERVICES, MONOLITH, SHAPES, Shape
from tandem.platform.plan.traffic import load_traffic

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "shapes.md"
BEGIN, END = "<!-- Made by scripts/plan_figures.py: run it, do not edit. -->", "<!-- End of what is made. -->"
# All shapes at the first rate, the two that the page is about at the others, too.
RATE, RATES = 10.0, (1.0, 100.0)
DRAWN = ("costs", "idle", "replicas", "curves")
STYLE = """<style>
svg { font: 11px system-ui, sans-serif; } .ground { fill: #fbfbfa; } .label, .value { fill: #1d2329; font-size: 12px; }
.tick { fill: #5c6670; font-size: 10px; } line.grid { stroke: #eceef1; } .line { fill: none; stroke-width: 2; } .name { font-size: 12px; }
.k1 .line { stroke: #8a63b8; } .k2 .line { stroke: #3466c2; } .k3 .line { stroke: #1d7d46; } .k4 .line { stroke: #c8701a; }
.k5 .line { stroke: #c0367c; } .k1 .name { fill: #8a63b8; } .k2 .name { fill: #3466c2; } .k3 .name { fill: #1d7d46; }
.k4 .name { fill: #c8701a; } .k5 .name { fill: #c0367c; } .gpu .bar, .used .bar { fill: #3466c2; } .cpu .bar { fill: #1d7d46; }
.store .bar { fill: #8a63b8; } .api .bar { fill: #c8701a; } .idle .bar { fill: #b9c1c9; }
</style><rect class="ground" width="100%" height="100%"/>"""
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def drawings(found: Plan) -> Iterator[tuple[Path, str]]:
    """Files of their own: an image on a page has no style but its own."""
    made = plots(found)
    for name in DRAWN:
        head, _, rest = made[name].partition(">")
        text = f'{head} xmlns="http://www.w3.org/2000/svg">{STYLE}{rest}\n'
        yield DOCS / "images" / f"plan-{name}.svg", text.replace("><g", ">\n<g").replace("><text", ">\n<text")


def tables(found: Plan, others: dict[float, Plan]) -> str:
    """What goes between the marks of the page."""
    rows = [
        f"A business day, {RATE:g} requests a second in its busiest hour, Llama 3.1 8B on A10Gs, {found.book.currency} a month:",
        "",
        "| shape | cost | 1,000 answers | GPUs at most | GPUs idle | first token p99 | answer p99 | spilled |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(found, shape) for shape in found.shapes),
        "",
        f"Recommended is `{found.recommended.name}`: {found.reason}",
        "",
        "The same day, asked less or more:",
        "",
        "| requests/s | | monolith | microservices | the monolith costs |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rate, one in sorted({**others, RATE: found}.items()):
        mono, micro = (_named(one, name) for name in (MONOLITH, MICROSERVICES))
        more = mono.cost.total / micro.cost.total - 1
        said = f"{abs(more):.0%} {'more' if more >= 0 else 'less'}"
        rows += [
            f"| {rate:g} | cost | {mono.cost.total:,.0f} | {micro.cost.total:,.0f} | {said} |",
            f"| | GPUs at most | {_gpus(one, mono)} | {_gpus(one, micro)} | |",
            f"| | first token p99 | {mono.figures.first_p99_s:.1f} s | {micro.figures.first_p99_s:.1f} s | |",
        ]
    return "\n".join(rows)


def _row(found: Plan, shape: Shape) -> str:
    figures = shape.figures
    idle = f"{1 - figures.used:.0%}" if shape.most_replicas else ""
    return (
        f"| {shape.name} | {shape.cost.total:,.0f} | {per_thousand(found, shape):.2f} | {_gpus(found, shape)} | {idle} "
        f"| {figures.first_p99_s:.1f} s | {figures.whole_p99_s:.0f} s | {figures.overflow_share:.0%} |"
    )


def _gpus(found: Plan, shape: Shape) -> int:
    return shape.most_replicas * found.fit.gpus


def _named(found: Plan, name: str) -> Shape:
    return next(shape for shape in found.shapes if shape.name == name)


def alike(one: str, other: str) -> bool:
    """The same but for what other processors round otherwise: numbers within three hundredths, or one of their last digit."""
    if _NUMBER.sub("0", one) != _NUMBER.sub("0", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(_near(here, there) for here, there in pairs)


def _near(one: str, other: str) -> bool:
    least = 10.0 ** -len(one.partition(".")[2])
    here, there = (float(number.replace(",", "")) for number in (one, other))
    return abs(here - there) <= max(0.03 * max(here, there), 1.01 * least)


def main() -> int:
    """Exit code 1 when `--check` finds something stale."""
    book = load_book()

    def planned(rate: float, wanted: Collection[str] = SHAPES) -> Plan:
        traffic = load_traffic(None, {"requests_per_second": rate}, day="business")
        return plan(traffic, book, wanted=wanted)

    found = planned(RATE)
    others = {rate: planned(rate, (MONOLITH, MICROSERVICES)) for rate in RATES}
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    made = {**dict(drawings(found)), PAGE: f"{before}{BEGIN}\n{tables(found, others)}\n{END}{rest.partition(END)[2]}"}
    stale = [file for file, text in made.items() if not file.is_file() or not alike(file.read_text("utf-8"), text)]
    names = ", ".join(file.relative_to(DOCS.parent).as_posix() for file in stale)
    if "--check" in sys.argv:
        if stale:
            print(f"stale: {names}; run .venv/bin/python scripts/plan_figures.py", file=sys.stderr)
        return 1 if stale else 0
    for file in stale:
        file.write_text(made[file], encoding="utf-8")
    print(f"wrote {names}" if stale else "all is fresh")
    return 0


if __name__ == "__main__":
    sys.exit(main())
