"""`tandem db backup|restore`."""

import asyncio
import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TypeVar

import typer

from tandem.cli.console import Output, OutputOption, binary_stdout, err, out, print_json, run
from tandem.cli.lineage_shown import when
from tandem.cli.options import ConfigOption, DataDirOption
from tandem.cli.progress import step_progress
from tandem.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tandem.adapters.state.backup import Tell
    from tandem.adapters.state.backup_format import Header
    from tandem.app.settings import Settings

T = TypeVar("T")
_STREAM = Path("-")
_INPUT, _OUTPUT = "standard input", "standard output"


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - for standard output.")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Back up receipts, feedback, jobs and batches as they are now, while Tandem serves.

    FILE holds texts: only you can read it.
    """
    from tandem.adapters.backup.file import disk_faults, whole_file
    from tandem.adapters.state.backup import back_up
    from tandem.app.clock import SystemClock
    from tandem.app.kept import anything_kept
    from tandem.app.surface import VERSION

    settings = _settings(config, data_dir)
    if not anything_kept(settings):
        raise ConfigurationError(
            f"There is no state store in {settings.data_dir}.",
            hint="Name the --data-dir or --config that it serves with.",
        )

    def work(connection: "Connection", tell: "Tell") -> "Header":
        with disk_faults(_named(file, _OUTPUT)), binary_stdout() if file == _STREAM else whole_file(file) as into:
            return back_up(connection, into, tandem=VERSION, now=SystemClock().epoch_s(), tell=tell)

    made = _within(settings, work, writes=False)
    if output is Output.json:
        print_json(_told(made, file), sys.stderr if file == _STREAM else None)
    else:
        (err if file == _STREAM else out).print(f"Backed up {_counts(made)} to {_named(file, _OUTPUT)}.", markup=False)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup; - for standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Delete what the store holds first.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only read FILE, and tell whether it is whole.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Put a backup into an empty state store, of the same kind or the other one. It is restored whole or not at all."""
    from tandem.adapters.backup.file import disk_faults
    from tandem.adapters.state.backup_format import BackupReader
    from tandem.adapters.state.restore import read_through
    from tandem.adapters.state.restore import restore as put_back

    if replace and not yes and not check:
        if file == _STREAM:
            raise typer.BadParameter(
                "with a backup on standard input, nobody can be asked: add --yes", param_hint="--replace"
            )
        typer.confirm(f"Delete everything that the state store holds, and put {file} in its place?", abort=True)
    with disk_faults(_named(file, _INPUT)), _stdin() if file == _STREAM else file.open("rb") as stream:
        found = BackupReader.opened(stream)
        if check:
            with step_progress() as tell:
                read_through(found, tell)
        else:
            _within(_settings(config, data_dir), lambda to, tell: put_back(to, found, replace=replace, tell=tell))
    if output is Output.json:
        print_json(_told(found.header, file))
    else:
        done = f"{_named(file, _INPUT)} is whole: it holds" if check else "Restored"
        by = f"made {when(found.header.made_at)} by Tandem {found.header.tandem}"
        out.print(f"{done} {_counts(found.header)}, {by}, schema {found.header.schema}.", markup=False)


def _settings(config: Path | None, data_dir: Path | None) -> "Settings":
    from tandem.app.settings import load_settings

    return load_settings(config, data_dir=data_dir)


def _within(settings: "Settings", work: "Callable[[Connection, Tell], T]", *, writes: bool = True) -> T:
    """In a thread, which hears of it when its user gives up."""
    from tandem.app.kept import unchecked_database

    given_up = threading.Event()

    async def opened(tell: "Tell") -> T:
        def told(table: str, done: int, total: int) -> None:
            if given_up.is_set():
                raise ConfigurationError("It was interrupted.")
            tell(table, done, total)

        async with unchecked_database(settings) as database:
            through = database.write if writes else database.read
            try:
                return await through(lambda connection: work(connection, told))
            except asyncio.CancelledError:
                given_up.set()
                raise

    with step_progress() as tell:
        return run(opened(tell))


@contextmanager
def _stdin() -> Iterator[BinaryIO]:
    if sys.stdin.isatty():
        raise typer.BadParameter("standard input is a terminal: send a backup there", param_hint="FILE")
    yield sys.stdin.buffer


def _told(header: "Header", file: Path) -> dict[str, object]:
    told = {key: value for key, value in dataclasses.asdict(header).items() if key != "tables"}
    return {"file": str(file), **told, "rows": header.rows}


def _counts(header: "Header") -> str:
    return ", ".join(f"{rows} {name}" for name, rows in header.rows.items() if rows) or "an empty store"


def _named(file: Path, stream: str) -> str:
    return stream if file == _STREAM else str(file)
