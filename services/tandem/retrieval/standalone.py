"""A follow-up made to stand alone, so that it can be searched for: by rule, without a model."""

import re
from collections.abc import Sequence

from tandem.domain.question import Message
from tandem.domain.text import content_words, words

# What points back at something said before.
_BACK = frozenset("it its they them their theirs this that these those he him his she her hers there one ones".split())
# An opening that leaves out what it is about, and one that merely goes on.
_ELLIPSIS = re.compile(r"^\s*(?:what about|how about|what if|why not|any others?)\b", re.IGNORECASE)
_GOING_ON = re.compile(r"^\s*(?:and|but|or|so|then|also|why|really|else)\b", re.IGNORECASE)
_FEW_WORDS = 3


def standalone(question: str, conversation: Sequence[Message]) -> str:
    """The question itself when it stands alone, else with what the previous question was about put before it.

    A follow-up is told by an opening such as "and …" or "what about …", by a pronoun among few words of its own, or by
    having next to none. Only the user's own words are taken: an answer may have been wrong.
    """
    before = next((turn.content for turn in reversed(conversation) if turn.role == "user"), None)
    if before is None or not _leans_back(question):
        return question
    return f"{before.strip()} {question.strip()}"


def _leans_back(question: str) -> bool:
    said = words(question)
    own = sum(word not in _BACK for word in content_words(question))
    points = not _BACK.isdisjoint(said)
    if _ELLIPSIS.match(question):
        return own <= 2 * _FEW_WORDS
    if _GOING_ON.match(question):
        return own <= _FEW_WORDS + points
    return own < _FEW_WORDS and (points or len(said) < _FEW_WORDS)
