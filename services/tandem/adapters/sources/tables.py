"""Rows to Markdown tables that survive being cut: the header stands above every few rows, so that each is found with it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time

from tandem.domain.errors import DocumentRejected

# A block of rows with its header is about as long as a chunk, so that it is not cut again.
_BLOCK_WEIGHT = 150
# A header of which little more than itself fits into a chunk.
_WIDE_WEIGHT = 60
_MOST_COLUMNS = 1_000
# Below this a float holds every whole number.
_EXACT = 1e15
_PIECE = re.compile(r"[A-Za-z]{1,6}|\d{1,3}|[^\sA-Za-z\d]")
_NUMBER = re.compile(r"[-+(]?[^\w\s]{0,3}\d[\d.,' ]*[%)]?[^\w\s]{0,3}")

Cell = object
Row = Sequence[Cell]


def markdown_tables(rows: Iterable[Row], most_chars: int, *, lettered: bool = True) -> Iterator[str]:
    """Blocks of Markdown, to be joined by blank lines. Raises `DocumentRejected`: `too_large`, before memory is.

    Lines above the header that fill one cell of several are titles. Where no header can be told, columns have letters, or
    none when not `lettered`. Tables too wide for their header to be repeated are written row by row, each cell with its column's name.
    """
    waiting: list[list[str]] = []
    blank = False
    chars = 0
    for row in rows:
        cells = cells_of(row)
        chars += sum(map(len, cells)) + len(cells)
        if chars > most_chars:
            raise DocumentRejected(
                f"The table holds more than {most_chars:,} characters of text.",
                reason="too_large",
                hint="Split it, or raise ingestion.max_text_chars.",
            )
        if not any(cells):
            blank = bool(waiting)
            continue
        if blank and _begins_anew(cells, waiting):
            yield from _table(waiting, lettered=lettered)
            waiting = []
        blank = False
        waiting.append(cells)
    yield from _table(waiting, lettered=lettered)


def cells_of(row: Row) -> list[str]:
    """One line of text each, without what would end a cell; empty ones at the end are dropped."""
    cells = [_text(cell) for cell in row[:_MOST_COLUMNS]]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def weight(text: str) -> int:
    """About as many tokens as a WordPiece tokenizer makes of it, rather more."""
    return len(_PIECE.findall(text))


def _begins_anew(cells: list[str], above: list[list[str]]) -> bool:
    """After a blank row: words alone, in at least two cells, below rows that held numbers."""
    named = sum(map(bool, cells)) >= 2 and not any(map(_is_number, cells))
    return named and any(_is_number(cell) for row in above[1:] for cell in row)


def _table(rows: list[list[str]], *, lettered: bool) -> Iterator[str]:
    width = max(map(len, rows), default=0)
    if width == 1:
        yield "\n".join(row[0] for row in rows)
        return
    while rows and sum(map(bool, rows[0])) == 1 and len(rows) > 1:
        yield " ".join(filter(None, rows[0]))
        rows = rows[1:]
    if not rows:
        return
    named = _header(rows, width)
    if not named and not lettered:
        yield "\n".join(" | ".join(filter(None, row)) for row in rows)
        return
    header = [name or (_letter(index) if lettered else "") for index, name in enumerate(named or [""] * width)]
    body = rows[1:] if named else rows
    if weight(" | ".join(header)) > _WIDE_WEIGHT:
        yield from filter(None, (_named(header, row) for row in body))
    else:
        yield from _blocks(header, body)


def _header(rows: list[list[str]], width: int) -> list[str]:
    """The first row where it names most columns, in words and not as a form's label does; empty where it does not."""
    first = rows[0] + [""] * (width - len(rows[0]))
    names = sum(map(bool, first)) * 2 >= width and not any(_is_number(cell) or cell.endswith(":") for cell in first)
    return first if names and len(rows) > 1 else []


def _blocks(header: list[str], body: list[list[str]]) -> Iterator[str]:
    head = [_line(header, len(header)), "|" + " --- |" * len(header)]
    start = weight(head[0]) + 2 * len(header)
    lines, used = list(head), start
    for row in body:
        line = _line(row, len(header))
        heavy = weight(line)
        if used + heavy > _BLOCK_WEIGHT and len(lines) > len(head):
            yield "\n".join(lines)
            lines, used = list(head), start
        lines.append(line)
        used += heavy
    yield "\n".join(lines)


def _line(cells: Sequence[str], width: int) -> str:
    return "| " + " | ".join([*cells, *[""] * (width - len(cells))]) + " |"


def _named(header: Sequence[str], row: Sequence[str]) -> str:
    return "; ".join(f"{name}: {cell}" for name, cell in zip(header, row, strict=False) if cell)


def _letter(index: int) -> str:
    """`A`, `B` … `Z`, `AA`, as spreadsheets call their columns."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        # Most cells are: a sheet of a million rows has to be done within a minute.
        return " ".join(cell.split()).replace("|", "\\|")
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else f"{cell:.12g}"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    return "" if cell is None else " ".join(str(cell).split()).replace("|", "\\|")
