"""Which label is asked for: `tagged billing`, `with the tag billing`, `#billing`."""

import re
from collections.abc import Iterator

from tandem.retrieval.reading.hint import Hint

_WORD = r"[^\s,;?!()]+"
_NAME = rf"[\"“'‘]?(?P<name>{_WORD}(?:\s+{_WORD}){{0,3}})"
_PATTERNS = (
    re.compile(
        rf"(?P<cut>\b(?:(?:that|which)\s+(?:is|are)\s+)?(?:tagged|labell?ed)\s+(?:(?:with|as|by)\s+)?){_NAME}",
        re.IGNORECASE,
    ),
    re.compile(rf"(?P<cut>\b(?:with|having|under|by)\s+(?:the\s+)?(?:tags?|labels?)\s*:?\s*){_NAME}", re.IGNORECASE),
    re.compile(rf"(?P<cut>\btag:\s*){_NAME}", re.IGNORECASE),
    re.compile(r"(?P<cut>(?<![\w&])#)(?P<name>[\w-]+)"),
)
_MORE = re.compile(r"\s+(?:and|or)\s+|,\s*")


def tags(question: str) -> Iterator[Hint]:
    """Each place where a tag may be named."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(question):
            yield Hint("tag", match.span("cut"), field="tags", name=match["name"], open=True)
            # `tagged safety and billing`
            for more in _MORE.finditer(question, match.start("name"), match.end("name")):
                yield Hint("tag", more.span(), field="tags", name=question[more.end() : match.end("name")], open=True)
