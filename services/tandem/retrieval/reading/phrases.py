"""What a question quotes, to be found word for word."""

import re

from tandem.retrieval.reading.hint import Span

_QUOTED = re.compile(r"(?<!\w)\"([^\"\n]{2,200})\"(?!\w)|“([^”\n]{2,200})”|«([^»\n]{2,200})»|„([^“”\n]{2,200})[“”]")
# A single quoted word is more often a manner of speaking, unless the question says what it wants with it.
_EXACTLY = re.compile(
    r"\b(?:exact(?:ly)?|literal(?:ly)?|verbatim|phrase|words?|term|string|text|message|error|contain(?:s|ing)?|"
    r"mention(?:s|ing)?|say(?:s|ing)?|reads?)\s*(?:is|are|of)?\s*:?\s*$",
    re.IGNORECASE,
)
_MOST = 3


def phrases(question: str) -> list[tuple[Span, str]]:
    """The quoted phrases, without their quotation marks: of several words, or of one that is asked for as it stands."""
    found: list[tuple[Span, str]] = []
    for match in _QUOTED.finditer(question):
        text = next(group for group in match.groups() if group is not None)
        said = " ".join(text.split()).strip(" .,;:!?")
        several = " " in said
        if said and (several or _EXACTLY.search(question, 0, match.start())):
            found.append((match.span(), said))
    return found[:_MOST]
