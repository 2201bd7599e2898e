"""`tandem batch run`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.console import Output, err
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption

app = typer.Typer(help="Answer many questions at once.", no_args_is_help=True)
_STANDARD = Path("-")
_SUFFIXES = {".jsonl", ".ndjson", ".json"}
_HERE = "In this process"


@app.callback()
def batch() -> None:
    """Answer many questions at once."""


@app.command("run")
def run_batch(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Requests in OpenAI's batch format, one a line; - for standard input.")
    ],
    output_file: Annotated[
        Path,
        typer.Option(
            "--output-file", "-o", metavar="FILE", help="Answers, appended as they come; - for standard output."
        ),
    ],
    errors: Annotated[
        Path | None,
        typer.Option("--errors", "-e", metavar="FILE", help="Lines that failed.", show_default="OUT.errors.jsonl"),
    ] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Collection of lines that name none.")] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="Prompt template, name@version, of lines that name none.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first lines.", show_default="all")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it may take, and answer nothing.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed lines again whose failure may have passed.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start over: forget what earlier runs wrote.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it may cost something.")] = False,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency",
            min=1,
            max=512,
            help="Lines at a time.",
            show_default="jobs.concurrency",
            rich_help_panel=_HERE,
        ),
    ] = None,
    timeout_s: Annotated[
        float | None,
        typer.Option(
            "--timeout-s",
            min=0.1,
            help="For one line, its waits among it.",
            show_default="jobs.timeout_s",
            rich_help_panel=_HERE,
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            "--max-cost", min=0.0, help="Take up no more lines once this run has cost so much.", rich_help_panel=_HERE
        ),
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar="TANDEM_URL",
            help="Have a running Tandem answer it, through its API for files and batches.",
            show_default="in this process",
        ),
    ] = None,
    api_key: ApiKeyOption = None,
    output: Annotated[Output, typer.Option("--output", help="How to print the summary.")] = Output.table,
) -> None:
    """Answer a file of chat requests. Run again, it goes on where it was interrupted.

    Exit code 1 when a line failed or it stopped before its end, 130 when it was interrupted.
    """
    from tandem.app.batch_run import Estimator
    from tandem.app.settings import load_settings
    from tandem.cli import session
    from tandem.cli.batch_flow import answered, estimated
    from tandem.cli.batch_plan import Request

    settings = load_settings(config, data_dir=data_dir)
    named = {"collection": collection, "prompt": prompt}
    request = Request(
        source,
        *_places(source, output_file, errors, output),
        {name: value for name, value in named.items() if value is not None},
        limit,
        retry_failed,
        overwrite,
    )
    estimator = Estimator(settings, request.defaults)
    if dry_run:
        estimated(request, estimator, output)
        return
    where = url or session.served_by(settings)
    if where is None:
        from tandem.cli.batch_local import How, answer_here

        if max_cost is not None and not estimator.priced:
            raise typer.BadParameter("no pool has a price, so nothing costs anything", param_hint="--max-cost")
        how = How(concurrency or settings.jobs.concurrency, timeout_s or settings.jobs.timeout_s, max_cost)
        sure = yes or source == _STANDARD or not (sys.stdin.isatty() and err.is_terminal)
        answered(request, lambda going: answer_here(settings, how, going), estimator, output, sure=sure)
        return
    for option, value in (("--concurrency", concurrency), ("--timeout-s", timeout_s), ("--max-cost", max_cost)):
        if value is not None:
            raise typer.BadParameter(f"the Tandem at {where} decides that", param_hint=option)
    from tandem.cli.batch_remote import answer_there

    far = where.rstrip("/")
    answered(request, lambda going: answer_there(far, api_key, going), None, output, sure=True)


def _places(source: Path, answers: Path, errors: Path | None, output: Output) -> tuple[Path | None, Path | None]:
    """Where answers and failures go; None is standard output."""
    if answers == _STANDARD or (answers.exists() and not answers.is_file()):
        if answers.is_dir():
            raise typer.BadParameter(f"{answers} is a folder", param_hint="--output-file")
        if answers == _STANDARD and output is Output.json:
            raise typer.BadParameter("the answers go to standard output already", param_hint="--output")
        return (None if answers == _STANDARD else answers), errors
    if errors is None:
        stem = answers.with_suffix("") if answers.suffix in _SUFFIXES else answers
        errors = stem.with_name(stem.name + ".errors.jsonl")
    for place, option in ((answers, "--output-file"), (errors, "--errors")):
        if place.is_dir() or not place.absolute().parent.is_dir():
            raise typer.BadParameter(f"{place} is a folder, or in none that exists", param_hint=option)
    resolved = [place.resolve() for place in (answers, errors, *([] if source == _STANDARD else [source]))]
    if len(set(resolved)) < len(resolved):
        raise typer.BadParameter(
            "requests, answers and failures each need a file of their own", param_hint="--output-file"
        )
    return answers, errors
