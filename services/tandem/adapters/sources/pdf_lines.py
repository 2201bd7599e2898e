"""The lines of a PDF page, and where on it each word of them stands."""

from collections import Counter
from collections.abc import Iterable, Iterator
from ctypes import byref, c_double
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

# More characters than this on one page are data, and are taken as they come.
_MOST_CHARS = 40_000
# A gap this wide, in heights of a letter, parts two cells; words of a sentence stand closer, also where it is justified.
_CELL_GAP = 1.25


@dataclass(frozen=True, slots=True)
class Segment:
    """Words without a wide gap between them; `left` and `right` in points from the page's left edge."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """What stands side by side at one height; `top` and `bottom` in points from the page's lower edge.

    `size` is its font's, as it is seen: whatever letters it is made of, in half points.
    """

    segments: tuple[Segment, ...]
    top: float
    bottom: float
    size: float = 0.0

    @property
    def height(self) -> float:
        """Of its highest letter."""
        return self.top - self.bottom

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(segment.text for segment in self.segments)


@dataclass(slots=True)
class _Word:
    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float


def lines_of(page_text: Any) -> list[Line]:
    """From the top down; none for a page of too many characters. `page_text` is pypdfium2's text page."""
    if not 0 < page_text.count_chars() <= _MOST_CHARS:
        return []
    words = sorted(_words(page_text), key=lambda word: -word.top - word.bottom)
    return [_line(group) for group in _side_by_side(words)]


def _words(page_text: Any) -> Iterator[_Word]:
    left, right, bottom, top = c_double(), c_double(), c_double(), c_double()
    raw = page_text.raw
    word: _Word | None = None
    for index in range(page_text.count_chars()):
        code = pdfium_c.FPDFText_GetUnicode(raw, index)
        char = chr(code) if code < 0x110000 else " "
        if char.isspace() or code < 32 or code >= 0xFFFE:
            if word is not None:
                yield word
            word = None
            continue
        pdfium_c.FPDFText_GetCharBox(raw, index, byref(left), byref(right), byref(bottom), byref(top))
        box = left.value, bottom.value, right.value, top.value
        if word is not None and _continues(word, *box):
            word.text += char
            word.right = max(word.right, box[2])
            word.bottom, word.top = min(word.bottom, box[1]), max(word.top, box[3])
        else:
            if word is not None:
                yield word
            word = _Word(char, *box, _size(raw, index))
    if word is not None:
        yield word


def _size(raw: Any, index: int) -> float:
    """Of the font's own box: a line of small letters only is no smaller."""
    box = pdfium_c.FS_RECTF()
    pdfium_c.FPDFText_GetLooseCharBox(raw, index, byref(box))
    return float(round((box.top - box.bottom) * 2)) / 2


def _continues(word: _Word, left: float, bottom: float, _right: float, top: float) -> bool:
    high = max(word.top - word.bottom, top - bottom)
    return -high < left - word.right < high * _CELL_GAP and bottom < word.top and top > word.bottom


def _side_by_side(words: list[_Word]) -> Iterator[list[_Word]]:
    group: list[_Word] = []
    for word in words:
        middle = (word.top + word.bottom) / 2
        if group and not group[0].bottom <= middle <= group[0].top:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _line(words: list[_Word]) -> Line:
    ordered = sorted(words, key=lambda word: word.left)
    top, bottom = max(word.top for word in words), min(word.bottom for word in words)
    parts: list[list[_Word]] = []
    for word in ordered:
        if parts and word.left - max(each.right for each in parts[-1]) < (top - bottom) * _CELL_GAP:
            parts[-1].append(word)
        else:
            parts.append([word])
    segments = tuple(
        Segment(" ".join(word.text for word in part), part[0].left, max(word.right for word in part)) for part in parts
    )
    return Line(segments, top, bottom, max(set(sizes := [word.size for word in words]), key=sizes.count))


def body_size(lines: Iterable[Line]) -> float:
    """The size that most of the text has."""
    chars: Counter[float] = Counter()
    for line in lines:
        chars[line.size] += len(line.text)
    return max(chars, key=lambda size: chars[size], default=0.0)
