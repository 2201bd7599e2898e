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
_STREAM = "-"
_PIECE = 1_000_000


def backup(
    dest: Annotated[
        str,
        typer.Argument(
            metavar="DEST",
            help="A file, a folder/, s3://BUCKET/NAME or s3://BUCKET/FOLDER/ (gs:// and az:// as well); - for standard output.",
        ),
    ],
    keep: Annotated[
        int, typer.Option("--keep", min=0, help="With a folder: delete all but so many of the newest. 0: none.")
    ] = 0,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Back up everything that is state: collections with their vectors, the state store, and records that wait.

    DEST holds texts: a file is yours alone to read. In a folder its name has the time. It is there whole or not at all.
    """
    from tandem.adapters.backup.archive import read_through
    from tandem.adapters.backup.file import disk_faults
    from tandem.adapters.backup.places import dated, place_of, prune
    from tandem.app.backup import check_anything
    from tandem.app.clock import SystemClock

    settings = _settings(config, data_dir)
    check_anything(settings)

    async def written(backups: "OwnBackups", into: BinaryIO) -> "BackupTold":
        async def passed_on() -> AsyncIterator[bytes]:
            async for piece in backups.taken():
                await asyncio.to_thread(into.write, piece)
                yield piece

        # Read as it is written: what is told is what is in it.
        return await read_through(passed_on(), lambda *_: None)

    def within(into: BinaryIO) -> "BackupTold":
        return _within(settings, lambda backups: written(backups, into))

    if dest == _STREAM:
        _no_keep(keep)
        with disk_faults("standard output"), binary_stdout() as pipe:
            told = within(pipe)
        _say(told, "standard output", output, to_stderr=True)
        return
    place, name = place_of(dest)
    if name:
        _no_keep(keep)
    name = name or dated(SystemClock().epoch_s())
    with place.writing(name) as into:
        told = within(into)
    _say(told, place.full(name), output)
    if keep:
        prune(place, keep)


def restore(
    source: Annotated[
        str,
        typer.Argument(metavar="SRC", help="A backup: a file or s3://BUCKET/NAME; with a folder/ the newest there."),
    ],
    replace: Annotated[bool, typer.Option("--replace", help="Delete what is there first.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only read SRC, and tell whether it is whole.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Put a backup of everything where there is nothing, with the same stores or others. SRC is read twice: first to check it."""
    from tandem.adapters.backup.archive import read_through
    from tandem.adapters.backup.places import newest, place_of

    place, name = place_of(source)
    name = name or newest(place)
    shown = place.full(name)
    with place.reading(name) as file:
        with step_progress() as tell:
            told = run(read_through(_pieces(file), tell))
        if not check:
            settings = _settings(config, data_dir)
            if replace and not yes:
                typer.confirm(f"Delete everything that is there, and put {shown} in its place?", abort=True)
            file.seek(0)
            _within(settings, lambda backups: backups.restored(_pieces(file), replace=replace))
    if output is Output.json:
        print_json(_told(told, shown))
    else:
        done = f"{shown} is whole: it holds" if check else "Restored"
        by = f"made {when(told.head.made_at)} by Tandem {told.head.tandem}"
        out.print(f"{done} {_counts(told)}, {by}.", markup=False)


def _no_keep(keep: int) -> None:
    if keep:
        raise typer.BadParameter("give a folder, such as /backups/ or s3://BUCKET/FOLDER/", param_hint="--keep")


def _say(told: "BackupTold", where: str, output: Output, *, to_stderr: bool = False) -> None:
    if output is Output.json:
        print_json(_told(told, "-" if to_stderr else where), sys.stderr if to_stderr else None)
    else:
        (err if to_stderr else out).print(f"Backed up {_counts(told)} to {where}.", markup=False)


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


def _told(told: "BackupTold", file: str) -> dict[str, object]:
    made_at = datetime.fromtimestamp(told.head.made_at, UTC).isoformat(timespec="seconds")
    return {"file": file, "made_at": made_at, "tandem": told.head.tandem, "holds": told.counts}


def _counts(told: "BackupTold") -> str:
    collections, rows = told.counts.get("collections", {}), told.counts.get("state", {})
    several = [
        f"{sum(collections.values())} points in {', '.join(collections)}" if collections else "",
        *(f"{count} {name}" for name, count in rows.items() if count),
        f"{told.counts['spool']['bytes']} bytes of records that wait" if told.counts.get("spool") else "",
    ]
    return ", ".join(filter(None, several)) or "nothing"
