"""The `tandem` command: its sub-commands, and how failures leave it (0 ok, 1 failed, 2 usage, 130 interrupted)."""

import sys
from typing import Any

import click
import typer
from typer.core import TyperGroup

from tandem.cli import ask, collections, config, evaluate, health, ingest, search, serve, targets, version
from tandem.cli.console import err, report
from tandem.domain.errors import TandemError


class _Reporting(TyperGroup):
    """Turns the error tree into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the sub-command; a `TandemError` becomes a message and exit code 1."""
        try:
            return super().invoke(ctx)
        except TandemError as error:
            report(error)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as interrupt:
            err.print("interrupted")
            raise typer.Exit(130) from interrupt
        except BrokenPipeError as closed:
            # `tandem … | head` closed our output: that is its right, and no failure to talk about.
            sys.stderr.close()
            raise typer.Exit(1) from closed


app = typer.Typer(
    name="tandem",
    cls=_Reporting,
    help="Retrieval-augmented generation, as one process or as a fleet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("targets")(targets.targets)
app.command("ingest")(ingest.ingest)
app.command("ask")(ask.ask)
app.command("search")(search.search)
app.add_typer(collections.app, name="collections")
app.command("eval")(evaluate.evaluate)
app.add_typer(config.app, name="config")
app.command("health")(health.health)
app.command("version")(version.version)


def main() -> None:
    """Entry point."""
    app()
