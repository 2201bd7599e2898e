"""An evaluation on a terminal."""

from collections.abc import Sequence

from rich.console import Console

from tandem.cli.console import print_table
from tandem.pipeline.evaluation.outcome import Measured, Outcome
from tandem.pipeline.evaluation.summary import Evaluation
from tandem.pipeline.evaluation.verdicts import TITLES
from tandem.retrieval.losses import NOT_RECALLED
from tandem.retrieval.losses import STAGES as LOSSES
from tandem.retrieval.metrics import NAMES

_TOLD = {
    **LOSSES,
    "abstained": "the model said that it does not know",
    "not_cited": "it was in the prompt, and not cited",
}


def shown(found: Outcome, out: Console) -> None:
    """One side or two, and the verdicts."""
    _side(found.first, out, "a: " if found.second else "")
    if found.second is None or found.comparison is None:
        return
    out.print()
    _side(found.second, out, "b: ")
    out.print()
    for difference in found.differs:
        out.print(f"b has {difference}", markup=False, style="dim")
    for name in found.comparison.metrics:
        out.print(found.comparison.told(name), markup=False)


def foreign(measured: Measured) -> bool:
    """True when not one document that would answer a question was ever found: the set is about other ids, most likely."""
    judged = [row for row in measured.rows if row.answerable and row.failed is None]
    return bool(judged) and all(row.lost == NOT_RECALLED for row in judged)


def _side(measured: Measured, out: Console, label: str) -> None:
    found, run = measured.evaluation, measured.run
    what = ", ".join((*run.collections, *run.models, *(f"prompt {each}" for each in run.prompts)))
    documents = f"{found.documents} documents, " if found.documents else ""
    out.print(f"{label}{found.name}: {documents}{found.queries} questions; {run.subject}", markup=False, end="")
    out.print(f" ({what})" if what else "", markup=False)
    if found.stages:
        print_table(("stage", *NAMES), _stages(found))
    for gain in found.gains.values():
        out.print(gain["verdict"], markup=False)
    if found.answers:
        out.print()
        print_table(
            ("answers", "mean", "questions"),
            [(TITLES.get(n, n), _interval(m["mean"], m["ci"]), m["questions"]) for n, m in found.answers.items()],
        )
    _shares(found, out)
    for stage, count in found.lost.items():
        out.print(f"lost, {stage}: {count}  ({_TOLD.get(stage, 'left out')})", markup=False)
    for code, count in found.failed.items():
        out.print(f"failed, {code}: {count} questions, in no figure", markup=False, style="bold red")
    if found.cached:
        out.print(f"from the cache: {found.cached} answers", markup=False)
    for name, times in found.seconds.items():
        out.print(f"seconds, {name}: p50 {times['p50']:.3f}, p95 {times['p95']:.3f}", markup=False)
    for name, counts in found.tokens.items():
        out.print(f"tokens, {name}: mean {counts['mean']:.0f}, p95 {counts['p95']:.0f}", markup=False)


def _stages(found: Evaluation) -> list[Sequence[str]]:
    return [
        (stage, *(_interval(metrics[name], metrics["ci"][name]) for name in NAMES))
        for stage, metrics in found.stages.items()
    ]


def _interval(mean: float, ci: Sequence[float]) -> str:
    return f"{mean:.3f} ±{(ci[1] - ci[0]) / 2:.3f}"


def _shares(found: Evaluation, out: Console) -> None:
    if found.served:
        out.print(f"with a relevant document in the prompt: {found.served['hit']['mean']:.1%}", markup=False)
    for label, share in (
        ("refused, answerable", found.refused_answerable),
        ("refused, unanswerable", found.refused_unanswerable),
        ("abstained, answerable", found.abstained_answerable),
        ("abstained, unanswerable", found.abstained_unanswerable),
    ):
        if share is not None:
            out.print(f"{label}: {share:.1%}", markup=False)
