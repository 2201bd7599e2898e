"""What commands print, where, and how they end: results to stdout, everything else to stderr, colour only on a terminal."""

import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, BinaryIO, TextIO, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from tandem.domain.errors import TandemError

T = TypeVar("T")
# So that facts that follow each other stand in one column.
_LEAST_NAME = 10

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Output(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")]


def print_json(value: object, to: TextIO | None = None) -> None:
    """One JSON document on stdout, unless told otherwise, indented on a terminal."""
    import orjson

    stream = to or sys.stdout
    options = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if stream.isatty() else 0)
    stream.write(orjson.dumps(value, option=options).decode() + "\n")


@contextmanager
def binary_stdout() -> Iterator[BinaryIO]:
    """For a file that goes into a pipe; a terminal is refused."""
    if sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal: send it into a file or a pipe")
    # Not through Python's own, which would try once more at the end, after a reader that has left.
    with open(sys.stdout.fileno(), "wb", closefd=False) as pipe:
        yield pipe


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A borderless table; numbers to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    lines = [[_cell(cell) for cell in row] for row in rows]
    for index, name in enumerate(columns):
        numeric = bool(lines) and all(line[index].replace(".", "", 1).lstrip("-").isdigit() for line in lines)
        table.add_column(name.upper(), justify="right" if numeric else "left", overflow="fold")
    for line in lines:
        table.add_row(*line)
    out.print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """A line for each, names to the right; what is empty is left out."""
    width = max(_LEAST_NAME, *map(len, facts))
    for name, fact in facts.items():
        if fact:
            out.print(f"[dim]{name:>{width}}[/]  ", end="")
            out.print(str(fact), markup=False)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def report(error: TandemError) -> None:
    """One line that says what is wrong, and one that says what to do."""
    err.print(f"[bold red]error:[/] {_escaped(error.message)}")
    if error.hint:
        err.print(f"[dim]hint:[/] {_escaped(error.hint)}")


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on uvloop; Ctrl-C unwinds it and ends with 130, as shells expect."""
    import asyncio

    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except KeyboardInterrupt as interrupt:
        err.print("interrupted")
        raise typer.Exit(130) from interrupt
