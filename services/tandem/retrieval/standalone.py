"""A follow-up made to stand alone, so that it can be searched for: by rule, without a model."""

import re
from collections.abc import Sequence

from tandem.domain.question import Message
from tandem.domain.text import content_words, words

# What points back at something said before.
_BACK = frozenset("it its they them their theirs this that these those he him his she her hers there one ones".split())
# An opening that leaves out what it is about, one that goes on, and one that often only seems to.
_ELLIPSIS = re.compile(
    r"^\s*(?:what about|how about|what if|why not|any others?|for example|go on)\b|^\s*(?:tell me |some )?more\W*$",
    re.IGNORECASE,
)
_GOING_ON = re.compile(r"^\s*(?:and|but|or)\b", re.IGNORECASE)
_PERHAPS = re.compile(r"^\s*(?:so|then|also|why|really|else)\b", re.IGNORECASE)
# What makes a sentence of few words: "What is a tenant?" stands alone, "In which year?" does not.
_VERBS = frozenset(
    "am are be can could did do does had has have is may might must shall should was were will would".split()
)
_FEW_WORDS = 3
# A follow-up of a follow-up is about what the first question was about; further back it is another subject.
_FARTHEST_TURNS = 3


def standalone(question: str, conversation: Sequence[Message]) -> str:
    """The question itself when it stands alone, else with what the user asked before put before it.

    A follow-up is told by an opening such as "and …" or "what about …", by a pronoun among few words of its own, or by
    having next to none. Only the user's own words are taken: an answer may have been wrong.
    """
    asked = [question]
    before = [turn.content for turn in conversation if turn.role == "user"][-_FARTHEST_TURNS:]
    while before and _leans_back(asked[0]):
        asked.insert(0, before.pop())
    return " ".join(each.strip() for each in asked) if len(asked) > 1 else question


def _leans_back(question: str) -> bool:
    said = words(question)
    own = sum(word not in _BACK for word in content_words(question))
    points = not _BACK.isdisjoint(said)
    if _ELLIPSIS.match(question):
        return own <= 2 * _FEW_WORDS
    if _GOING_ON.match(question):
        return own <= _FEW_WORDS + points
    if _PERHAPS.match(question):
        return own <= 1 + 2 * points
    if own < 2 and _VERBS.isdisjoint(said):
        return True
    return own < _FEW_WORDS and (points or len(said) < _FEW_WORDS)
