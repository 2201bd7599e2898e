"""The running text of a PDF: lines joined to paragraphs, headings marked."""

import re
from collections.abc import Iterable

from tandem.adapters.sources.pdf_lines import Line

_LIST_ITEM = re.compile(r"[•·▪◦‣*\u2013-]\s|\(?\d+[.)]\s|\d+(\.\d+)+\s")
_WRAPPED_SHARE = 0.8
_LONG_LINE = 40
# Drawn with letters; in Markdown they would make a heading of the line above.
_RULER = re.compile(r"[=_*~#.\-\u2013\u2014\u2500\u2550 ]{3,}")
_HASHES = re.compile(r"(#{1,6})[ \t]+")
_NUMBER = re.compile(r"(\d+|[A-Z])(\.\d+)*\.?")
_LARGER = 1.15
_MAX_HEADING_CHARS = 120
_MOST_LEVELS = 3
_MOST_HEADINGS_SHARE = 0.25


def headings_of(lines: Iterable[Line], body: float) -> dict[str, int]:
    """Text of a heading → its level, from 1. None where too much would be one: posters and slides have no body text."""
    found: dict[str, float] = {}
    count = 0
    for line in lines:
        count += 1
        text = squeezed(line.text)
        numbered = len(line.segments) == 2 and _NUMBER.fullmatch(line.segments[0].text) is not None
        if line.size >= body * _LARGER and (len(line.segments) == 1 or numbered) and _is_title(text):
            found[text] = max(line.size, found.get(text, 0.0))
    if not body or len(found) > count * _MOST_HEADINGS_SHARE:
        return {}
    sizes = sorted(set(found.values()), reverse=True)
    return {text: min(sizes.index(size), _MOST_LEVELS - 1) + 1 for text, size in found.items()}


def marked_up(text: str, headings: dict[str, int]) -> str:
    """Paragraphs, with `#` before headings; one that takes two lines is one heading."""
    blocks: list[str] = []
    running: list[str] = []
    level_above = 0
    for line in text.split("\n"):
        level = headings.get(squeezed(line), 0)
        if not level:
            running.append(line)
            continue
        if paragraph := unwrap("\n".join(running)):
            blocks.append(paragraph)
            # What is blank between two lines of a heading does not part them.
            level_above = 0
        running = []
        if level == level_above and len(blocks[-1]) + len(line) < _MAX_HEADING_CHARS:
            blocks[-1] += f" {squeezed(line)}"
        else:
            blocks.append(f"{'#' * level} {squeezed(line)}")
        level_above = level
    blocks.append(unwrap("\n".join(running)))
    return "\n\n".join(filter(None, blocks))


def unwrap(text: str) -> str:
    """Lines that end only because the page does are joined to paragraphs; short lines, list items and tables stay."""
    lines = [_HASHES.sub("\\1\u00a0", line.strip()) for line in text.split("\n") if not _RULER.fullmatch(line.strip())]
    if not lines:
        return ""
    width = sorted(map(len, lines))[int(len(lines) * 0.9)]
    joined: list[str] = []
    full = False
    for line in lines:
        if joined and full and line and not _LIST_ITEM.match(line):
            joined[-1] = _glued(joined[-1], line)
        else:
            joined.append(line)
        full = width >= _LONG_LINE and len(line) >= width * _WRAPPED_SHARE
    return "\n".join(joined).strip()


def squeezed(text: str) -> str:
    """With single spaces."""
    return " ".join(text.split())


def _is_title(text: str) -> bool:
    wordy = sum(map(str.isalpha, text)) * 2 >= len(text)
    return 2 < len(text) <= _MAX_HEADING_CHARS and wordy and not text.endswith((".", ",", ";", ":"))


def _glued(left: str, right: str) -> str:
    return left + right if left.endswith(("-", "\u00ad")) and right[:1].islower() else f"{left} {right}"
