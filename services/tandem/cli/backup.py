"""`tandem backup` and `tandem restore`: everything that is state, in one file."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeVar

import typer

from tandem.cli.console import Output, OutputOption, binary_stdout, err, out, print_json, run
from tandem.cli.lineage_shown import when
from tandem.cli.options import ConfigOption, DataDirOption
from tandem.cli.progress import step_progress

if TYPE_CHECKING:
    from tandem.app.backup import OwnBackups
    from tandem.app.settings import Settings
    from tandem.ports.backup import BackupTold, Tell

T = TypeVar("T")
_STREAM = Path("-")
_PIECE = 1_000_000


def backup(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The file to write; - for standard output.")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Back up everything that is state: collections with their vectors, the state store, and records that wait.

    DEST holds texts: only you can read it.
    """
    from tandem.adapters.backup.archive import read_through
    from tandem.adapters.backup.file import disk_faults, whole_file
    from tandem.app.backup import check_anything

    settings = _settings(config, data_dir)
    check_anything(settings)

    async def written(backups: "OwnBackups", into: BinaryIO) -> "BackupTold":
        async def passed_on() -> AsyncIterator[bytes]:
            async for piece in backups.taken():
                await asyncio.to_thread(into.write, piece)
                yield piece

        # Read as it is written: what is told is what is in it.
        return await read_through(passed_on(), lambda *_: None)

    with disk_faults(_named(dest, "standard output")), binary_stdout() if dest == _STREAM else whole_file(dest) as into:
        told = _within(settings, lambda backups: written(backups, into))
    if output is Output.json:
        print_json(_told(told, dest), sys.stderr if dest == _STREAM else None)
    else:
        (err if dest == _STREAM else out).print(
            f"Backed up {_counts(told)} to {_named(dest, 'standard output')}.", markup=False
        )


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A backup: a file.")],
    replace: Annotated[bool, typer.Option("--replace", help="Delete what is there first.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only read SRC, and tell whether it is whole.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Put a backup of everything where there is nothing, with the same stores or others. SRC is read twice: first to check it."""
    from tandem.adapters.backup.archive import read_through
    from tandem.adapters.backup.file import disk_faults

    with disk_faults(str(source)), source.open("rb") as file:
        with step_progress() as tell:
            told = run(read_through(_pieces(file), tell))
        if not check:
            settings = _settings(config, data_dir)
            if replace and not yes:
                typer.confirm(f"Delete everything that is there, and put {source} in its place?", abort=True)
            file.seek(0)
            _within(settings, lambda backups: backups.restored(_pieces(file), replace=replace))
    if output is Output.json:
        print_json(_told(told, source))
    else:
        done = f"{source} is whole: it holds" if check else "Restored"
        by = f"made {when(told.head.made_at)} by Tandem {told.head.tandem}"
        out.print(f"{done} {_counts(told)}, {by}.", markup=False)


def _settings(config: Path | None, data_dir: Path | None) -> "Settings":
    from tandem.app.backup import check_apart
    from tandem.app.settings import load_settings

    settings = load_settings(config, data_dir=data_dir)
    check_apart(settings)
    return settings


def _within(settings: "Settings", work: "Callable[[OwnBackups], Coroutine[Any, Any, T]]") -> T:
    from tandem.app import parts
    from tandem.app.backup import OwnBackups

    async def opened(tell: "Tell") -> T:
        async with parts.vectors(settings) as store:
            return await work(OwnBackups(settings, store, tell))

    with step_progress() as tell:
        return run(opened(tell))


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece


def _told(told: "BackupTold", file: Path) -> dict[str, object]:
    made_at = datetime.fromtimestamp(told.head.made_at, UTC).isoformat(timespec="seconds")
    return {"file": str(file), "made_at": made_at, "tandem": told.head.tandem, "holds": told.counts}


def _counts(told: "BackupTold") -> str:
    collections, rows = told.counts.get("collections", {}), told.counts.get("state", {})
    several = [
        f"{sum(collections.values())} points in {', '.join(collections)}" if collections else "",
        *(f"{count} {name}" for name, count in rows.items() if count),
        f"{told.counts['spool']['bytes']} bytes of records that wait" if told.counts.get("spool") else "",
    ]
    return ", ".join(filter(None, several)) or "nothing"


def _named(file: Path, stream: str) -> str:
    return stream if file == _STREAM else str(file)
