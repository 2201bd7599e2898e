"""`tandem eval`."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.cli.options import ApiKeyOption, ConfigOption

_MORE = "Compare"
_RESULTS = "Results"


def _address(told: str | None) -> str | None:
    try:
        parts = urlsplit(told or "http://none")
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise typer.BadParameter("an address such as http://127.0.0.1:8000 is needed")
    return told


def _writable(told: Path | None) -> Path | None:
    """Known before an hour was spent on what goes into it."""
    if told is not None and (told.is_dir() or not told.absolute().parent.is_dir()):
        raise typer.BadParameter(f"{told} is a folder, or in none that exists")
    return told


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A labelled set in BEIR's layout, or a golden.jsonl of questions.")
    ],
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep the index here, so that the next run need not build it.")
    ] = None,
    answers: Annotated[bool, typer.Option("--answers", help="Measure answers as well, not retrieval alone.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Ask so many of the questions.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which ones --limit draws.")] = 0,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=64, help="Questions at a time; more than one blurs the times.")
    ] = 1,
    collection: Annotated[
        str | None,
        typer.Option("--collection", help="Ask this collection, such as docs or docs@3, and ingest nothing."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", callback=_address, help="Ask a running Tandem, and ingest nothing.", show_default="in process"
        ),
    ] = None,
    api_key: ApiKeyOption = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; may be given again.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Compare with this configuration.", rich_help_panel=_MORE, show_default=False),
    ] = None,
    against_set: Annotated[
        list[str] | None,
        typer.Option("--against-set", metavar="KEY=VALUE", help="Compare with this setting.", rich_help_panel=_MORE),
    ] = None,
    against_collection: Annotated[
        str | None,
        typer.Option("--against-collection", help="Compare with this collection.", rich_help_panel=_MORE),
    ] = None,
    against_url: Annotated[
        str | None,
        typer.Option("--against-url", callback=_address, help="Compare with this Tandem.", rich_help_panel=_MORE),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            help="Keep results in this folder, and go on with what was interrupted.",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", callback=_writable, help="Write an HTML report.", rich_help_panel=_RESULTS
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="METRIC=VALUE",
            help="Exit code 1 below it; may be given again.",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    fail_if_worse: Annotated[
        bool,
        typer.Option(
            "--fail-if-worse",
            help="Exit code 1 when the second one is worse, and not by chance.",
            rich_help_panel=_RESULTS,
        ),
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Measure retrieval, stage by stage, and answers on a labelled set, with 95 % confidence intervals; compare two ways."""
    # What measures brings numpy, a tenth of a second for every command that there is.
    from tandem.cli.evaluation import measured
    from tandem.cli.evaluation_shown import foreign, shown
    from tandem.cli.evaluation_sides import Request, Side
    from tandem.cli.thresholds import missed, thresholds

    wanted = thresholds(fail_under or (), answers=answers)
    sets = tuple(settings or ())
    first = Side("a", config, sets, collection, url, api_key)
    second = None
    if against or against_set or against_collection or against_url:
        second = Side(
            "b", against or config, (*sets, *(against_set or ())), against_collection or collection,
            against_url or url, api_key,
        )  # fmt: skip
    elif fail_if_worse:
        raise typer.BadParameter(
            "there is nothing to compare with: give one of --against…", param_hint="--fail-if-worse"
        )
    request = Request(folder, keep, answers, limit, seed, concurrency, results)
    found = run(measured(request, first, second))
    if report is not None:
        from tandem.adapters.evaluations.report import write_report

        write_report(report, found)
    if output is Output.json:
        print_json(found.body())
    else:
        shown(found, out)
    lines = missed((found.second or found.first).evaluation, wanted)
    if fail_if_worse and found.comparison is not None:
        lines += [found.comparison.told(name) for name in found.comparison.worse]
    for side in (found.first, found.second):
        if side is not None and foreign(side):
            err.print(
                "No document that the set names was found for any question: are these ids those of the collection?"
            )
        lines += [] if side is None else [f"{n} questions came to {code}" for code, n in side.evaluation.failed.items()]
    for line in lines:
        err.print(f"[bold red]failed:[/] {line}")
    if lines:
        raise typer.Exit(1)
