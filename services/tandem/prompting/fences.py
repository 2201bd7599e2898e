"""Passages and question between tags that no document can fake: what is between them is data, never instructions.

A document can fake no turn of the conversation either.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape

from tandem.domain.marks import defused, defused_passage
from tandem.domain.passage import Passage
from tandem.domain.question import Message
from tandem.prompting.order import reading_order

_PASSAGE = re.compile(r'<passage n="(\d+)" title="([^"\n]*)">\n(.*?)\n</passage>', re.DOTALL)
_PASSAGES = re.compile(r"<passages>\n(.*?)</passages>", re.DOTALL)
_QUESTION = re.compile(r"<question>\n(.*?)\n</question>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FencedPassage:
    """A passage as the model sees it: its number, its title path, its text."""

    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """What stands between the fences of a prompt."""

    passages: tuple[FencedPassage, ...]
    question: str


def fence_passages(passages: Sequence[Passage]) -> str:
    """The passages, numbered from 1 as they are ranked, in the order in which they are read."""
    fenced = "".join(
        f'<passage n="{number}" title="{_attribute(defused(" > ".join(passage.chunk.title_path) or passage.title))}">\n'
        f"{defused_passage(passage.chunk.text)}\n</passage>\n"
        for number, passage in reading_order(passages)
    )
    return f"<passages>\n{fenced}</passages>"


def fence_question(question: str) -> str:
    """The question."""
    return f"<question>\n{defused(question)}\n</question>"


def fence_conversation(turns: Sequence[Message]) -> str:
    """What was said before, a turn a line."""
    said = "\n".join(f"{turn.role}: {' '.join(defused(turn.content).split())}" for turn in turns)
    return f"<conversation>\n{said}\n</conversation>"


def unfence(prompt: str) -> Fenced | None:
    """Read both back; None when the prompt holds no fenced question."""
    question = _QUESTION.search(prompt)
    passages = _PASSAGES.search(prompt)
    if question is None or passages is None:
        return None
    found = tuple(
        FencedPassage(int(number), unescape(title), text) for number, title, text in _PASSAGE.findall(passages[1])
    )
    return Fenced(found, question[1])


def _attribute(title: str) -> str:
    return escape(" ".join(title.split()))
