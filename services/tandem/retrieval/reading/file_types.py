"""Which kind of file is asked for: `in the PDF`, `which spreadsheet`, `only slides`."""

import re
from collections.abc import Iterator

from tandem.domain.filters import Condition
from tandem.retrieval.reading.hint import Hint

_OFFICE = "application/vnd.openxmlformats-officedocument"
# What people call a kind of file, and the media types that it has.
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"pdfs?(?:\s+(?:files?|documents?))?", ("application/pdf",)),
    (
        r"(?:(?:slide\s*|power\s*point\s+)?(?:slides|decks?)|powerpoints?|presentations?|pptx)(?:\s+files?)?",
        (f"{_OFFICE}.presentationml.presentation", "application/vnd.oasis.opendocument.presentation"),
    ),
    (
        r"(?:spread\s*sheets?|excel(?:\s+(?:sheets?|files?))?|work\s*books?|xlsx)(?:\s+files?)?",
        (
            f"{_OFFICE}.spreadsheetml.sheet",
            "application/vnd.oasis.opendocument.spreadsheet",
            "text/csv",
            "text/tab-separated-values",
        ),
    ),
    (r"csvs?(?:\s+files?)?", ("text/csv",)),
    (
        r"(?:word\s+(?:documents?|files?|docs?)|docx)(?:\s+files?)?",
        (f"{_OFFICE}.wordprocessingml.document", "application/vnd.oasis.opendocument.text"),
    ),
    (r"markdown\s+(?:files?|documents?|pages?|notes?)", ("text/markdown",)),
    (r"(?:html\s+(?:files?|pages?)|web\s*pages?)", ("text/html",)),
    (r"(?:epubs?|e-?books?)", ("application/epub+zip",)),
)
# An article that points at what is there: "from a PDF" is about PDFs in general.
_THE = r"(?:the|this|that|these|those|our|my|your|which|what)\s+(?:same\s+|whole\s+|attached\s+|uploaded\s+|following\s+|first\s+|latest\s+|new\s+)?"  # fmt: skip
_IN = r"(?:in|from|inside|within|on|across|of|search|searching|according\s+to|through)"
_SAYS = r"(?:say|says|said|tell|tells|mention|mentions|mentioned|state|states|stated|cover|covers|show|shows|list|lists|contain|contains|describe|describes|explain|explains)"  # fmt: skip
_ANY = "|".join(f"(?P<k{number}>{pattern})" for number, (pattern, _) in enumerate(_KINDS))
_PATTERNS = (
    # `in the PDF`, `according to our slides`; not `in the PDF format`.
    re.compile(rf"\b{_IN}\s+{_THE}(?:{_ANY})\b(?!\s+(?:formats?|reader|parser|loader|viewer|editor|export|file\s+format))(?!['’]s)", re.IGNORECASE),
    # `what does the spreadsheet say about`, `which slides mention`.
    re.compile(rf"\b(?:(?:do|does|did)\s+)?{_THE}(?:{_ANY})\s+(?:that\s+|which\s+)?{_SAYS}\b", re.IGNORECASE),
    # `only in PDFs`, `PDFs only`.
    re.compile(rf"\b(?:only|just)\s+(?:(?:in|from|the|search)\s+){{0,2}}(?:{_ANY})\b", re.IGNORECASE),
    re.compile(rf"\b(?:(?:in|from)\s+)?(?:{_ANY})\s+only\b", re.IGNORECASE),
    # `find the spreadsheet with`, `show me the slides about`.
    re.compile(rf"\b(?:find|show|get|open|give|look\s+up|search)\s+(?:me\s+)?{_THE}(?:{_ANY})\s+(?=(?:about|on|with|for|that|where|of|from)\b)", re.IGNORECASE),
)  # fmt: skip


def file_types(question: str) -> Iterator[Hint]:
    """The first kind of file that the question asks for."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(question):
            types = next(types for number, (_, types) in enumerate(_KINDS) if match[f"k{number}"])
            yield Hint("file type", match.span(), (Condition("media_type", types),))
            return
