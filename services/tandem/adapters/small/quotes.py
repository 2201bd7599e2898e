"""What can be quoted from a passage: sentences, rows of tables, and code with the sentence that introduces it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tandem.domain.text import sentences

_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_RULE = re.compile(r"[\s|:-]+")
_MARK = re.compile(r"^(?:[-*+]|\d+\.)\s+|^>\s*")


@dataclass(frozen=True, slots=True)
class _Unit:
    text: str
    code: bool = False


def quotable(text: str) -> Iterator[str]:
    """In order. Headings, questions and rubble are no answers and are left out; white space is made plain, but in code.

    A sentence that ends with a colon says nothing without what follows it, so that comes along.
    """
    units = list(_units(text))
    for index, unit in enumerate(units):
        following = units[index + 1] if index + 1 < len(units) else None
        if unit.text.endswith(":") and following is not None:
            yield f"{unit.text}\n\n{following.text}\n\n" if following.code else f"{unit.text} {following.text}"
        elif not unit.code and not unit.text.endswith(("?", ":")) and len(unit.text.split()) > 1:
            yield unit.text


def _units(text: str) -> Iterator[_Unit]:
    position = 0
    for block in (*_CODE.finditer(text), None):
        yield from _prose(text[position : block.start() if block else len(text)])
        if block:
            yield _Unit(block[0].strip(), code=True)
            position = block.end()


def _prose(text: str) -> Iterator[_Unit]:
    paragraph: list[str] = []
    lines = (*text.split("\n"), "", "")
    for line, following in pairwise(lines):
        row, heading = line.lstrip().startswith("|"), line.startswith("#")
        if not (row or heading) and line.strip():
            paragraph.append(line)
            continue
        yield from _sentences("\n".join(paragraph))
        paragraph.clear()
        # The row above a rule names the columns.
        if row and not _RULE.fullmatch(line) and not (following.strip() and _RULE.fullmatch(following)):
            yield _Unit(" — ".join(cell.strip() for cell in line.strip().strip("|").split("|") if cell.strip()))


def _sentences(paragraph: str) -> Iterator[_Unit]:
    for start, end in sentences(paragraph):
        yield _Unit(_MARK.sub("", " ".join(paragraph[start:end].split())))
