"""An answer as the statements it makes, each with the numbers it cites."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tandem.domain.text import sentences, stems

_MARK = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence without its marks, and the passage numbers that it names, each once."""

    text: str
    numbers: tuple[int, ...]


def statements(answer: str) -> list[Statement]:
    """In order. A mark that stands by itself belongs to the statement before it, as in `prompting/citations.py`."""
    found: list[tuple[str, list[int]]] = []
    for start, end in sentences(answer):
        said, numbers = _told(answer[start:end])
        if stems(said):
            found.append((said, numbers))
        elif found:
            found[-1][1].extend(numbers)
    return [Statement(said, tuple(dict.fromkeys(numbers))) for said, numbers in found]


def _told(sentence: str) -> tuple[str, list[int]]:
    return " ".join(_MARK.sub("", sentence).split()), list(_numbers(sentence))


def _numbers(sentence: str) -> Iterator[int]:
    for mark in _MARK.finditer(sentence):
        yield from map(int, re.findall(r"\d+", mark[1]))
