"""What of a passage can be cited by itself: a sentence, or a whole row of a Markdown table."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tandem.domain.text import sentences

_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
_RULE = re.compile(r"[ \t|:-]+")


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters of the passage; `header` are those of the row that names the columns, where there is one above."""

    start: int
    end: int
    header: tuple[int, int] | None = None


def units(text: str) -> Iterator[Unit]:
    """In order. A row is one, whatever full stops are in its cells; the rule below a header is none."""
    at = 0
    above: tuple[int, int] | None = None
    header: tuple[int, int] | None = None
    for row in _ROW.finditer(text):
        between = text[at : row.start()]
        if between.strip() or "\n\n" in between:
            above = header = None
        yield from _sentences(text, at, row.start())
        at = row.end()
        if _RULE.fullmatch(row[0]):
            header = above
            continue
        start = row.start() + len(row[0]) - len(row[0].lstrip())
        above = (start, start + len(row[0].strip()))
        yield Unit(*above, header)
    yield from _sentences(text, at, len(text))


def _sentences(text: str, start: int, end: int) -> Iterator[Unit]:
    for first, last in sentences(text[start:end]):
        yield Unit(start + first, start + last)
