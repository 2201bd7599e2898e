"""What a rule takes a few words of a question for, until the collection confirms it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tandem.domain.filters import Condition, FilterField

# Marks that nothing stands before any more: `, ?` says no more than `?`.
_LOOSE = re.compile(r"(?:\s*[,;:])*\s+[,;:?!.](?!\w)|[,;:]+\s*[?!.](?!\w)")
Rule = Literal["author", "date", "file type", "path", "tag"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hint:
    """`span` are the words that say it, cut out of the question once it holds.

    `choices` are tried in order: the first that some document meets is meant. With a `field` it is one of that field's
    known values instead, which `name` begins with; `open` says that `span` grows by as much of `name` as it was.
    `partial`: a part of a value is enough, a family name say.
    """

    rule: Rule
    span: Span
    choices: tuple[Condition, ...] = ()
    field: FilterField | None = None
    name: str = ""
    open: bool = False
    partial: bool = False


def blanked(question: str, spans: Iterable[Span]) -> str:
    """The question with blanks in the place of those words, so that what stood around them meets and nothing moves."""
    for start, end in spans:
        question = question[:start] + " " * (end - start) + question[end:]
    return question


def without(question: str, spans: Iterable[Span]) -> str:
    """The question without those words, its blanks and punctuation tidied."""
    text = " ".join(blanked(question, spans).split())
    text = _LOOSE.sub(lambda match: match[0].split()[-1][-1], text)
    return text.strip(" ,;:")


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    """True when some of its words belong to one of the others too."""
    return any(start < span[1] and span[0] < end for start, end in others)
