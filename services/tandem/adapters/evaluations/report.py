"""An evaluation as one HTML file that needs nothing else: charts, verdicts, what was lost where, the questions behind it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from tandem.adapters.evaluations import charts
from tandem.adapters.evaluations.charts import Group, Mark, Point
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.evaluation.comparison import compare
from tandem.pipeline.evaluation.outcome import Measured, Outcome
from tandem.pipeline.evaluation.rows import STAGES, Row
from tandem.pipeline.evaluation.run import Run
from tandem.pipeline.evaluation.verdicts import TITLES
from tandem.retrieval.losses import STAGES as LOSSES
from tandem.retrieval.metrics import NAMES

_SHOWN = 30
_HISTORY = 60
_LOST = {
    **LOSSES,
    "over_top_k": "below the passages that the prompt takes",
    "abstained": "it was in the prompt, and the model said that it does not know",
    "not_cited": "it was in the prompt, and the answer does not cite it",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing under its heading: SVG with every text in it escaped, so the page takes it as it is."""

    title: str
    drawing: str


@dataclass(frozen=True, slots=True)
class Change:
    """A question that two runs answer differently well; `by` is the difference of nDCG@10."""

    row: Row
    other: Row
    by: float


def write_report(file: Path, found: Outcome) -> None:
    """Raises `ConfigurationError` for a file that cannot be written."""
    page = _template().render(
        found=found,
        sides=[side for side in (found.first, found.second) if side is not None],
        facts=_facts,
        headline=_headline(found),
        verdicts=[] if found.comparison is None else [_verdict(found, name) for name in found.comparison.metrics],
        difference=_difference(found),
        ranking=list(_ranking(found)),
        answers=_answers(found),
        history=list(_history(found)),
        lost=[_lost(side) for side in (found.first, found.second) if side is not None],
        loss_told=_LOST,
        worst=_worst((found.second or found.first).rows),
        changes=_changes(found),
        titles=TITLES,
    )
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The report {file} cannot be written: {error.strerror}.", hint="Name another file with --report."
        ) from error


def _template() -> jinja2.Template:
    source = (resources.files("tandem.adapters.evaluations") / "report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    yield "asked", run.subject
    yield "collection", ", ".join(run.collections) or "not told"
    yield "questions", f"{run.questions}" + ("" if run.limit is None else f" of the set, drawn with seed {run.seed}")
    yield "set", f"{run.set_name} ({run.set_hash})"
    if run.answers:
        yield "model", ", ".join(run.models) or "not asked"
        yield "prompt", ", ".join(run.prompts)
        yield "judge", run.judge
    if run.config:
        yield "configuration", run.config
    yield "Tandem", run.tandem
    yield "ended", _time(run.at_s)


def _time(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"


def _headline(found: Outcome) -> list[tuple[str, str, str]]:
    """The few figures to see first: title, value, interval."""
    shown = (found.second or found.first).evaluation
    tiles = []
    if shown.stages:
        last = shown.stages[shown.final]
        tiles += [(TITLES.get(n, n), f"{last[n]:.3f}", _interval(last["ci"][n])) for n in ("ndcg@10", "recall@10")]
    if shown.served:
        tiles.append(
            (
                "answer in the prompt",
                f"{shown.served['hit']['mean']:.1%}",
                " … ".join(f"{end:.1%}" for end in shown.served["hit"]["ci"]),
            )
        )
    for name in ("groundedness", "citation_precision", "answer_contains"):
        if name in shown.answers:
            one = shown.answers[name]
            tiles.append((TITLES.get(name, name), f"{one['mean']:.3f}", _interval(one["ci"])))
    return tiles


def _interval(ci: Sequence[float]) -> str:
    return f"{ci[0]:.3f} … {ci[1]:.3f}"


def _verdict(found: Outcome, name: str) -> tuple[str, str]:
    """Its kind (better, worse, none) and its line."""
    if found.comparison is None:
        return "none", ""
    one = found.comparison.metrics[name]
    kind = "none" if not one.significant else "better" if one.mean > 0 else "worse"
    return kind, found.comparison.told(name)


def _difference(found: Outcome) -> str | None:
    if found.comparison is None:
        return None
    groups = [
        Group(TITLES.get(name, name), (Mark(_verdict(found, name)[0], one.mean, one.low, one.high),))
        for name, one in found.comparison.metrics.items()
    ]
    return charts.differences("differences of b to a", groups)


def _ranking(found: Outcome) -> Iterator[Chart]:
    sides = _sides(found)
    present = [stage for stage in STAGES if any(stage in side.evaluation.stages for _, side in sides)]
    for metric in NAMES if present else ():
        groups = [
            Group(stage, tuple(
                Mark(label, side.evaluation.stages[stage][metric], *side.evaluation.stages[stage]["ci"][metric])
                for label, side in sides if stage in side.evaluation.stages
            ))
            for stage in present
        ]  # fmt: skip
        title = TITLES.get(metric, metric)
        yield Chart(title, charts.bars(f"{title} by stage", groups))


def _answers(found: Outcome) -> str | None:
    sides = _sides(found)
    names = list(dict.fromkeys(name for _, side in sides for name in side.evaluation.answers))
    if not names:
        return None
    groups = [
        Group(
            TITLES.get(name, name),
            tuple(_mark(label, side, name) for label, side in sides if name in side.evaluation.answers),
        )
        for name in names
    ]
    return charts.bars("measures of answers", groups)


def _mark(label: str, side: Measured, name: str) -> Mark:
    measure = side.evaluation.answers[name]
    return Mark(label, measure["mean"], *measure["ci"])


def _sides(found: Outcome) -> list[tuple[str, Measured]]:
    return [(label, side) for label, side in (("a", found.first), ("b", found.second)) if side is not None]


def _history(found: Outcome) -> Iterator[Chart]:
    runs = [*found.history[-_HISTORY:], found.first.run]
    for title, read in (("nDCG@10", _ranked), ("groundedness", _grounded)):
        points = [Point(_time(run.at_s), *value) for run in runs if (value := read(run.figures)) is not None]
        if len(points) > 1:
            yield Chart(title, charts.line(f"{title} over time", points))


def _ranked(figures: Mapping[str, Any]) -> tuple[float, float, float] | None:
    stages = figures.get("stages", {})
    last = next((stages[stage] for stage in reversed(STAGES) if stage in stages), None)
    return None if last is None else (last["ndcg@10"], *last["ci"]["ndcg@10"])


def _grounded(figures: Mapping[str, Any]) -> tuple[float, float, float] | None:
    found = figures.get("answers", {}).get("groundedness")
    return None if found is None else (found["mean"], *found["ci"])


def _lost(side: Measured) -> str | None:
    found = side.evaluation.lost
    if not found:
        return None
    order = [*_LOST]
    stages = sorted(found, key=lambda stage: order.index(stage) if stage in order else len(order))
    return charts.counts("questions lost, by stage", [(stage, found[stage]) for stage in stages])


def _worst(rows: Sequence[Row]) -> list[Row]:
    """Those that lost what answers them first, then by nDCG@10; and foreign ones that were answered."""
    judged = [
        row for row in rows if row.failed is None and row.answerable and (row.lost or row.final.get("ndcg@10", 0.0) < 1)
    ]
    foreign = [row for row in rows if row.failed is None and not row.answerable and row.abstained is False]
    return (
        sorted(judged, key=lambda row: (row.lost is None, row.final.get("ndcg@10", 0.0), row.question))[:_SHOWN]
        + foreign[:_SHOWN]
    )


def _changes(found: Outcome) -> list[Change]:
    """Against the second run, or the last one before."""
    old, new = (found.first.rows, found.second.rows) if found.second else (found.before, found.first.rows)
    known, now = {row.question: row for row in old}, {row.question: row for row in new}
    changed = compare(old, new).changed if old else ()
    return [Change(now[question], known[question], by) for question, by in changed[:_SHOWN]]
