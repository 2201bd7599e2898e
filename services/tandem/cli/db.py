"""`tandem db status|upgrade|downgrade`: the schema of the store that holds receipts and jobs."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli import db_backup
from tandem.cli.console import Output, OutputOption, out, print_json, run
from tandem.cli.options import ConfigOption, DataDirOption

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tandem.adapters.state.schema import SchemaStatus

app = typer.Typer(help="The state store: its schema, backup and restore.", no_args_is_help=True)
app.command("backup")(db_backup.backup)
app.command("restore")(db_backup.restore)


@app.command()
def status(config: ConfigOption = None, data_dir: DataDirOption = None, output: OutputOption = Output.table) -> None:
    """Print which version the schema has, and which are to come; exit code 1 while some are."""
    from tandem.adapters.state import schema

    found = _within(schema.status, config, data_dir, writes=False)
    if output is Output.json:
        print_json(dataclasses.asdict(found))
    else:
        out.print(f"Schema {found.current or 'not there yet'}; this Tandem needs {found.head}.")
        if found.pending:
            out.print(f"To come: {', '.join(found.pending)}. Run `tandem db upgrade`.")
    if found.pending:
        raise typer.Exit(1)


@app.command()
def upgrade(config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Bring the schema up to this Tandem's. Safe to run twice, and from two places at once."""
    from tandem.adapters.state import schema

    before = _within(schema.upgrade, config, data_dir)
    if before.pending:
        out.print(f"Upgraded from {before.current or 'nothing'} to {before.head}.")
    else:
        out.print(f"The schema is {before.head} already.")


@app.command()
def downgrade(
    to: Annotated[str, typer.Argument(metavar="VERSION", help="A version such as 0001; `base`: everything goes.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take the schema back, for an older Tandem. What came with the versions that go is deleted."""
    from tandem.adapters.state import schema

    if not yes:
        typer.confirm(f"Take the schema back to {to}, and delete what came with the versions after it?", abort=True)
    before = _within(lambda connection: schema.downgrade(connection, to), config, data_dir)
    out.print(f"Taken back from {before.current or 'nothing'} to {to}.")


def _within(
    work: "Callable[[Connection], SchemaStatus]",
    config: Path | None,
    data_dir: Path | None,
    *,
    writes: bool = True,
) -> "SchemaStatus":
    from tandem.app.kept import unchecked_database
    from tandem.app.settings import load_settings

    settings = load_settings(config, data_dir=data_dir)

    async def opened() -> "SchemaStatus":
        async with unchecked_database(settings) as database:
            return await (database.write(work) if writes else database.read(work))

    return run(opened())
