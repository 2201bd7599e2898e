"""`tandem eval`."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.console import Output, OutputOption, out, print_json, print_table, run
from tandem.cli.options import ConfigOption

if TYPE_CHECKING:
    # It brings numpy, a tenth of a second for every command that there is.
    from tandem.pipeline.evaluating import Evaluation


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A labelled set in BEIR's layout.")],
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep the index here, so that the next run need not build it.")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Measure retrieval, stage by stage, on a labelled set: nDCG@10, MRR@10, recall, with 95 % confidence intervals."""
    with tempfile.TemporaryDirectory(prefix="tandem-eval-") as scratch:
        found = run(_evaluate(folder, keep or Path(scratch), config))
    if output is Output.json:
        print_json(found.body())
    else:
        _print(found)


async def _evaluate(folder: Path, data_dir: Path, config: Path | None) -> "Evaluation":
    from tandem.adapters.sources.beir import read_labelled
    from tandem.app import parts
    from tandem.app.features import Vectors
    from tandem.app.settings import load_settings
    from tandem.cli import session
    from tandem.cli.progress import step_progress
    from tandem.pipeline.evaluating import evaluate as measure

    # Always in an embedded store of its own: a labelled set has no place on a server that serves people.
    settings = load_settings(config, data_dir=data_dir, vectors=Vectors())
    labelled = read_labelled(folder)
    async with (
        parts.shared(parts.embedder(settings)) as dense,
        parts.local_features(settings, dense) as (retriever, ingestor),
    ):
        with step_progress() as tell:
            return await measure(labelled, ingestor, retriever, session.context(), tell)


def _print(found: "Evaluation") -> None:
    out.print(f"{found.name}: {found.documents} documents, {found.queries} questions", markup=False)
    names = [name for name in next(iter(found.stages.values())) if name != "ci"]
    rows = []
    for stage, metrics in found.stages.items():
        spans = metrics["ci"]
        rows.append((stage, *(f"{metrics[name]:.3f} ±{(spans[name][1] - spans[name][0]) / 2:.3f}" for name in names)))
    print_table(("stage", *names), rows)
    for label, share in (("answerable", found.refused_answerable), ("unanswerable", found.refused_unanswerable)):
        if share is not None:
            out.print(f"refused, {label}: {share:.1%}", markup=False)
