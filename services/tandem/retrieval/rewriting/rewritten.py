"""A follow-up as a model wrote it to stand alone: taken when it says what was said, else the rule's wording stays."""

import re
from collections.abc import Sequence

from tandem.domain.question import Message
from tandem.domain.text import says_something, stems

_QUOTES = "\"“”'‘’ "
_LABEL = re.compile(r"^(?:standalone |rewritten |the )?question\s*:\s*", re.IGNORECASE)
_MARKS = re.compile(r"[<>{}|]|https?://")
_LONGEST = 400
# Of its words, those that stood in the question or before it: what a model adds is invention, or comes from a document.
_LEAST_SAID = 0.75


def rewritten(written: str, question: str, conversation: Sequence[Message]) -> str | None:
    """The model's question; None when it is none, too long, or about something that was not spoken of."""
    line = next((line.strip() for line in written.splitlines() if line.strip()), "")
    text = _LABEL.sub("", line).strip(_QUOTES)
    if not text or len(text) > _LONGEST or _MARKS.search(text):
        return None
    words = set(stems(text))
    own = set(stems(question))
    said = own.union(*(stems(turn.content) for turn in conversation))
    if not words or len(words & said) / len(words) < _LEAST_SAID:
        return None
    # A question of its own words is not to become another one.
    return text if words & own or not says_something(question) else None
