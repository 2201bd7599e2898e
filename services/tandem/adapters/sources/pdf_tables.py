"""Tables of a PDF page, told by what stands in columns line after line: a PDF has no tables, only words at places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tandem.adapters.sources.pdf_lines import Line, Segment

_LEAST_LINES = 3
# Of so many columns two lines are a table as well.
_MANY_COLUMNS = 4
_MOST_COLUMNS = 30
# Lines further apart than this many heights are of two tables.
_MAX_LEADING = 3.0
# Columns of prose are wider than cells.
_PROSE_CHARS = 45
_FILLED = 0.6


@dataclass(frozen=True, slots=True)
class FoundTable:
    """Rows of cells, and the band of the page they take."""

    rows: tuple[tuple[str, ...], ...]
    top: float
    bottom: float


def tables_of(lines: Sequence[Line]) -> list[FoundTable]:
    """From the top down; everything that stands in a table's band is in it."""
    return [table for grid in _grids(lines) if (table := grid.table()) is not None]


class _Grid:
    """Lines whose segments stand below each other."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._columns: list[list[float]] = []

    def takes(self, line: Line) -> bool:
        """Adds the line when it fits: near the last one, and no two of its segments in one column."""
        if self.lines and not _near(self.lines[-1], line):
            return False
        columns = [list(column) for column in self._columns]
        taken: set[int] = set()
        for segment in line.segments:
            over = [at for at, column in enumerate(columns) if _overlap(segment, column) > 0]
            if len(over) > 1:
                # A line of its own may run across; a cell may not.
                if len(line.segments) > 1:
                    return False
                continue
            at = over[0] if over else len(columns)
            if at in taken:
                return False
            taken.add(at)
            if over:
                columns[at] = [min(columns[at][0], segment.left), max(columns[at][1], segment.right)]
            else:
                columns.append([segment.left, segment.right])
        ordered = sorted(columns)
        if any(right[0] < left[1] for left, right in pairwise(ordered)):
            return False
        self._columns = columns
        self.lines.append(line)
        return True

    def table(self) -> FoundTable | None:
        """None for what is no table: too little of it, prose in columns, or hardly two cells a line."""
        lines, columns = self.lines, sorted(self._columns)
        least = 2 if len(columns) >= _MANY_COLUMNS else _LEAST_LINES
        if len(lines) < least or not 1 < len(columns) <= _MOST_COLUMNS:
            return None
        rows = [_row(line, columns) for line in lines]
        filled = sum(sum(map(bool, row)) > 1 for row in rows)
        wide = sum(sum(len(row[at]) for row in rows) > _PROSE_CHARS * len(rows) for at in range(len(columns)))
        if filled < len(rows) * _FILLED or wide > len(columns) // 2 or (wide and len(columns) == 2):
            return None
        return FoundTable(tuple(rows), max(line.top for line in lines), min(line.bottom for line in lines))


def _grids(lines: Sequence[Line]) -> Iterator[_Grid]:
    """Neighbouring lines of several segments; one of a single segment belongs to them when the next fits as well."""
    grid = _Grid()
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else None
        alone = len(line.segments) == 1
        goes_on = grid.lines and following is not None and len(following.segments) == len(grid.lines[-1].segments) > 1
        if alone and not (goes_on and grid.takes(line)):
            yield grid
            grid = _Grid()
        elif not alone and not grid.takes(line):
            yield grid
            grid = _Grid()
            grid.takes(line)
    yield grid


def _near(above: Line, below: Line) -> bool:
    return above.bottom - below.top < _MAX_LEADING * max(above.height, below.height)


def _row(line: Line, columns: list[list[float]]) -> tuple[str, ...]:
    cells = [""] * len(columns)
    for segment in line.segments:
        at = max(range(len(columns)), key=lambda index: _overlap(segment, columns[index]))
        cells[at] = f"{cells[at]} {segment.text}".strip()
    return tuple(cells)


def _overlap(segment: Segment, column: Sequence[float]) -> float:
    """Points they share; below zero, the distance between them."""
    return min(segment.right, column[1]) - max(segment.left, column[0])
