"""Other ways to ask a question, out of what a model wrote: each once, none of them long or strange."""

import re

from tandem.domain.query import Query
from tandem.domain.text import stems

# Numbers, bullets and quotation marks that models put around a line.
_AROUND = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.):])?\s*[\"“'‘]?(.*?)[\"”'’]?\s*$")
# "Sure, here are three questions:", and what pretends to be a mark of the prompt.
_NO_QUESTION = re.compile(r":$|[<>{}\[\]|]|https?://")
_LEAST_WORDS = 2
_TIMES_AS_LONG = 3
_ALWAYS_ALLOWED = 150


def paraphrases(written: str, question: str, *, most: int, weight: float) -> tuple[Query, ...]:
    """At most `most` of them. One that says no other word than the question, or another of them, is left out."""
    longest = max(_ALWAYS_ALLOWED, _TIMES_AS_LONG * len(question))
    said = {frozenset(stems(question))}
    found: list[Query] = []
    for line in written.splitlines():
        around = _AROUND.match(line)
        text = around[1] if around else ""
        words = frozenset(stems(text))
        if len(text.split()) < _LEAST_WORDS or len(text) > longest or _NO_QUESTION.search(text) or words in said:
            continue
        said.add(words)
        found.append(Query(text, "expansion", weight))
        if len(found) == most:
            break
    return tuple(found)
