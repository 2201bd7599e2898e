"""Where the documents lie that are asked for: `in docs/guides/`, `in the folder guides`, `in setup.md`."""

import re
from collections.abc import Iterator

from tandem.domain.filters import Condition
from tandem.retrieval.reading.hint import Hint

_IN = r"(?:in|under|from|inside|within|below|of|according\s+to)"
_PATH = r"(?P<path>(?:[\w.-]+/)+[\w.-]*|[\w-]+(?:\.[\w-]+)*\.[A-Za-z][A-Za-z0-9]{1,4})"
_SAYS = r"(?:say|says|tell|tells|mention|mentions|state|states|explain|explains|contain|contains)"
_FOLDER = r"(?:folders?|director(?:y|ies)|paths?)"
_PATTERNS = (
    re.compile(rf"\b{_IN}\s+(?:the\s+)?{_FOLDER}\s+(?:(?:named|called)\s+)?[\"“'`]?(?P<path>[\w./-]+)[\"”'`]?(?:\s+only\b)?", re.IGNORECASE),
    re.compile(rf"\b{_IN}\s+the\s+[\"“'`]?(?P<path>[\w./-]+)[\"”'`]?\s+{_FOLDER}\b", re.IGNORECASE),
    re.compile(rf"\b{_IN}\s+(?:the\s+)?(?:files?\s+)?[\"“'`]?(?<![\w/:.]){_PATH}[\"”'`]?(?![\w/])", re.IGNORECASE),
    re.compile(rf"\b(?:do|does|did)\s+(?:the\s+)?(?:files?\s+)?{_PATH}\s+{_SAYS}\b", re.IGNORECASE),
)  # fmt: skip


def places(question: str) -> Iterator[Hint]:
    """The first path that the question names: a folder with all below it, or one file."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(question):
            path = match["path"].strip(".").removeprefix("/")
            if any(map(str.isalpha, path)):
                yield Hint("path", match.span(), _choices(path))
                return


def _choices(path: str) -> tuple[Condition, ...]:
    if path.endswith("/"):
        return (Condition("path", (path,)),)
    return Condition("path", (path,)), Condition("path", (f"{path}/",))
