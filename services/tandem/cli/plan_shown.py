"""How a plan looks on a terminal."""

from typing import TYPE_CHECKING

from tandem.cli.console import Output, err, out, print_json, print_table

if TYPE_CHECKING:
    from tandem.platform.plan.planning import Plan
    from tandem.platform.plan.prices import Measured


def show_plan(found: "Plan", output: Output) -> None:
    """What each shape costs and holds, and which is recommended."""
    from tandem.platform.plan.body import body, per_thousand

    if output is Output.json:
        print_json(body(found))
        return
    print_table(
        ("shape", "month", "per 1,000", "GPUs", "idle", "first s", "answer s", "spilled", "objectives"),
        [
            (
                shape.name,
                f"{shape.cost.total:,.0f}",
                f"{per_thousand(found, shape):.2f}",
                shape.most_replicas * found.fit.gpus,
                f"{1 - shape.figures.used:.0%}" if shape.most_replicas else "-",
                f"{shape.figures.first_p99_s:.2f}",
                f"{shape.figures.whole_p99_s:.1f}",
                f"{shape.figures.overflow_share:.0%}",
                "held" if shape.unfit is None else "missed",
            )
            for shape in found.shapes
        ],
    )
    err.print(f"Costs are in {found.book.currency}, seconds are 99th percentiles.", style="dim")
    for shape in found.shapes:
        if shape.unfit is not None:
            out.print(f"{shape.name}: {shape.unfit}", markup=False)
    for point in found.break_even:
        out.print(f"{point.below} below, {point.above} above {point.requests_per_second:.3g} requests/s", markup=False)
    out.print(found.apart.told(found.book.currency), markup=False)
    out.print(f"\nRecommended: {found.reason}", markup=False)


def show_entry(measured: "Measured", output: Output) -> None:
    """As it stands in a price book."""
    entry = measured.model_dump(mode="json", exclude_none=True)
    if output is Output.json:
        print_json(entry)
        return
    import yaml

    out.print(yaml.safe_dump({"measured": [entry]}, sort_keys=False).rstrip(), markup=False)
