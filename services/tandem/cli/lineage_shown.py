"""A version's lineage as a person reads it."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

from tandem.cli.console import out, print_facts
from tandem.domain.lineage import GateResult, Place, Version

_SHOWN_MISSES = 20


def print_lineage(version: Version) -> None:
    """All that is known of it, a line each."""
    lines: dict[str, Any] = {
        "version": version.name,
        "state": version.state,
        **dataclasses.asdict(version.recipe),
        **dict(version.lineage.parts),
        "built from": version.lineage.built_from or "its places alone",
        "replaced": version.lineage.replaced or "nothing",
        "documents": _now_and_then(version.documents, version.lineage.documents),
        "chunks": _now_and_then(version.chunks, version.lineage.chunks),
        "begun": when(version.lineage.created_at),
        "finished": when(version.lineage.finished_at),
        "promoted": when(version.lineage.promoted_at),
        "retired": when(version.lineage.retired_at),
    }
    print_facts({key: str(value) for key, value in lines.items()})
    for origin in version.lineage.origins:
        out.print("[dim]     place[/]  ", end="")
        out.print(f"{origin.place.where} ({origin.tenant}{_labels(origin.place)})", markup=False)
    for gate in version.lineage.gates:
        out.print()
        print_gate(gate)


def print_gate(gate: GateResult) -> None:
    """What was measured, and what failed."""
    measured = "no golden questions" if gate.measure is None else f"{gate.metric} {gate.measure:.4f}"
    if gate.serving_measure is not None:
        measured += f" (serving {gate.serving_measure:.4f})"
    counted = f"{gate.documents} documents" + (
        "" if gate.serving_documents is None else f" (serving {gate.serving_documents})"
    )
    out.print(f"gate of {when(gate.at)}: {measured}, {counted}", markup=False)
    for refusal in gate.refusals:
        out.print(f"  refused: {refusal}", markup=False)
    if gate.forced is not None:
        out.print(f"  forced: {gate.forced}", markup=False)
    for miss in gate.misses[:_SHOWN_MISSES]:
        mark = "worse" if miss.regressed else "missed"
        out.print(f"  {mark}: {miss.question}  lacks {', '.join(miss.missing)}", markup=False)
    if len(gate.misses) > _SHOWN_MISSES:
        out.print(f"  and {len(gate.misses) - _SHOWN_MISSES} more questions")


def _labels(place: Place) -> str:
    said = [*(f"tag {tag}" for tag in place.tags), *(f"group {group}" for group in place.acl)]
    return "".join(f", {each}" for each in said)


def when(instant: float | None) -> str:
    """Of epoch seconds, in UTC; empty for what has not happened."""
    return "" if instant is None else datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _now_and_then(now: int | None, built: int | None) -> str:
    if None in {now, built} or now == built:
        return count(now if built is None else built)
    return f"{now} now, {built} when it was built"


def count(value: int | None) -> str:
    """Empty for what was not counted."""
    return "" if value is None else str(value)
