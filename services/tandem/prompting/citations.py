"""From `[n]` in an answer to the passage, and the very sentence of it, that supports the statement."""

import re
from collections.abc import Sequence

from tandem.domain.answer import Citation
from tandem.domain.passage import Passage
from tandem.domain.text import sentences, stems
from tandem.prompting.parts import part_at
from tandem.prompting.units import Unit, units

_MARK = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
# Share of a statement's words that a passage must hold to be named as its support when the model named none.
_SUPPORT = 0.6


def cite(answer: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """The passages that the answer names, in the order of their first naming; numbers that stand for none are ignored.

    A mark that stands by itself belongs to the statement before it. When the answer names none at all, those that hold
    most of the words of one of its sentences.
    """
    named: dict[int, str] = {}
    statement = ""
    for start, end in sentences(answer):
        said = _MARK.sub("", answer[start:end])
        statement = said if stems(said) else statement
        for mark in _MARK.finditer(answer, start, end):
            for number in map(int, re.findall(r"\d+", mark[1])):
                if 1 <= number <= len(passages):
                    named.setdefault(number, statement)
    if not named:
        named = _supported(answer, passages)
    return tuple(_citation(number, statement, passages[number - 1]) for number, statement in named.items())


def _supported(answer: str, passages: Sequence[Passage]) -> dict[int, str]:
    found: dict[int, str] = {}
    held = [set(stems(passage.chunk.text)) for passage in passages]
    for start, end in sentences(answer):
        wanted = set(stems(answer[start:end]))
        shares = [len(wanted & words) / len(wanted) for words in held] if wanted else []
        if shares and max(shares) >= _SUPPORT:
            found.setdefault(shares.index(max(shares)) + 1, answer[start:end])
    return found


def _citation(number: int, statement: str, passage: Passage) -> Citation:
    return Citation(number, *part_at(passage, *supporting_span(statement, passage.chunk.text)))


def supporting_span(statement: str, text: str) -> tuple[int, int]:
    """Characters of the sentence, or row of a table, that has most in common with the statement; all when none has."""
    wanted = set(stems(statement))

    def overlap(unit: Unit) -> float:
        words = set(stems(text[unit.start : unit.end]))
        common = wanted & words
        if common and unit.header is not None:
            # What its cells stand for is said above them.
            common |= wanted & set(stems(text[slice(*unit.header)]))
        return len(common) / (len(words) + len(wanted) or 1)

    best = max(units(text), key=overlap, default=None)
    # Said in other words altogether: then no sentence of it can be told apart, and the passage stands as a whole.
    return (0, len(text)) if best is None or not overlap(best) else (best.start, best.end)
