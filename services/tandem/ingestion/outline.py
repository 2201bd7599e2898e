"""Where a document's sections begin, and under which headings they stand."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_MAX_HEADING_CHARS = 160
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t](.*))?$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_NOT_A_PARAGRAPH = re.compile(r"\s*$| {4}|\t| {0,3}(?:[>|#<]|[-*+][ \t]|\d+[.)][ \t]|[-*_]{3,}\s*$)")
_INLINE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]+|\{#[\w-]+\}|<[^>]{1,80}>")
_DEFINITION = re.compile(
    r"([ \t]*)(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([a-z]+\))?|unsafe|virtual|"
    r"override|partial|sealed|data|open)[ \t]+)*"
    r"(?:class|interface|struct|enum|trait|impl|module|namespace|object|record|def|fn|func|function|sub|proc)[ \t]+"
    r"(?:\([^)]*\)[ \t]*)?([A-Za-z_]\w*(?:(?:::|\.)\w+)*)"
)


@dataclass(frozen=True, slots=True)
class Section:
    """From character `start` to the next section's start, everything stands under `path` (outermost first)."""

    start: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Mark:
    start: int
    level: int
    text: str


def markdown_outline(text: str) -> tuple[Section, ...]:
    """Sections by ATX and underlined headings outside code fences."""
    return _nested(_headings(text))


def code_outline(text: str) -> tuple[Section, ...]:
    """Sections by definitions that name something (class, def, func…); deeper indentation is deeper nesting."""
    return _nested(_definitions(text))


def _nested(marks: Iterator[_Mark]) -> tuple[Section, ...]:
    sections = [Section(0, ())]
    above: list[_Mark] = []
    for mark in marks:
        while above and above[-1].level >= mark.level:
            above.pop()
        above.append(mark)
        sections.append(Section(mark.start, tuple(each.text for each in above)))
    return tuple(sections)


def _headings(text: str) -> Iterator[_Mark]:
    fence: str | None = None
    before: tuple[int, str] | None = None  # the line above, when it may be a heading's text
    for start, line in _lines(text):
        mark = _FENCE.match(line)
        if mark is not None and (fence is None or mark.group(1).startswith(fence)):
            fence = mark.group(1) if fence is None else None
            before = None
            continue
        if fence is not None:
            continue
        if (atx := _ATX.match(line)) is not None:
            yield from _heading(start, len(atx.group(1)), _without_closing(atx.group(2) or ""))
        elif before is not None and (under := _UNDERLINE.match(line)) is not None:
            yield from _heading(before[0], 1 if under.group(1)[0] == "=" else 2, before[1])
        before = None if _NOT_A_PARAGRAPH.match(line) else (start, line)


def _without_closing(words: str) -> str:
    """`## Title ##` may close with hashes; `C#` is a word."""
    bare = words.strip().rstrip("#")
    return bare if not bare or bare[-1] in " \t" else words


def _heading(start: int, level: int, words: str) -> Iterator[_Mark]:
    plain = " ".join(_INLINE.sub(r"\1", words[: 3 * _MAX_HEADING_CHARS]).split())[:_MAX_HEADING_CHARS].strip()
    if plain:
        yield _Mark(start, level, plain)


def _definitions(text: str) -> Iterator[_Mark]:
    for start, line in _lines(text):
        found = _DEFINITION.match(line)
        if found is not None:
            yield _Mark(start, len(found.group(1).expandtabs(4)), found.group(2)[:_MAX_HEADING_CHARS])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        # No heading and no definition is longer; long lines are data, and patterns need not see them.
        yield start, line[:1_000]
        start += len(line) + 1


def _start_of(section: Section) -> int:
    return section.start


def prevailing_path(sections: Sequence[Section], start: int, end: int) -> tuple[str, ...]:
    """The deepest path that holds for most (two thirds) of `start`…`end`.

    A chunk of several small sections stands under what they share; one that begins with a little overlap from the
    section before stands under its own heading.
    """
    covered: dict[tuple[str, ...], int] = {}
    for index in range(bisect_right(sections, start, key=_start_of) - 1, len(sections)):
        section = sections[index]
        if section.start >= end:
            break
        until = sections[index + 1].start if index + 1 < len(sections) else end
        share = min(until, end) - max(section.start, start)
        if share > 0:
            for depth in range(len(section.path) + 1):
                covered[section.path[:depth]] = covered.get(section.path[:depth], 0) + share
    enough = [path for path, share in covered.items() if share * 3 >= (end - start) * 2]
    return max(enough, key=len, default=())
