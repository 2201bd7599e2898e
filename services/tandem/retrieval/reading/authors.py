"""Whose documents are asked for: `notes by Jane Doe`, `what did Jane Doe write`, `Jane Doe's report`."""

import re
from collections.abc import Iterator

from tandem.retrieval.reading.hint import Hint
from tandem.retrieval.reading.nouns import DOCUMENTS

# A few words; how many of them are the name is found by the names that are known.
_WORD = r"[^\s,;:?!()\"“”]+"
_NAME = rf"(?P<name>{_WORD}(?:\s+{_WORD}){{0,5}})"
_WROTE = r"(?:written|authored|published|posted|drafted|prepared|co-?authored|contributed)"
_BY = re.compile(rf"(?P<said>\b(?:{DOCUMENTS}|{_WROTE})\s+)?(?P<cut>\bby\s+){_NAME}", re.IGNORECASE)
_WRITTEN_BY = re.compile(rf"(?P<cut>\b(?:(?:that|which)\s+)?(?:(?:was|were|is|are)\s+)?{_WROTE}\s+by\s+){_NAME}", re.IGNORECASE)  # fmt: skip
_FROM = re.compile(rf"\b{DOCUMENTS}\s+(?P<cut>(?:from|of)\s+){_NAME}", re.IGNORECASE)
_WRITER = re.compile(rf"(?P<cut>\b(?:whose\s+)?(?:author|writer)(?:\s+is|\s+was)?\s*:?\s+){_NAME}", re.IGNORECASE)
_ACCORDING = re.compile(rf"(?P<cut>\baccording\s+to\s+){_NAME}", re.IGNORECASE)
_DID = re.compile(
    rf"\b(?:did|does|has|have|had)\s+(?P<name>{_WORD}(?:\s+{_WORD}){{0,3}}?)\s+"
    r"(?:write|written|say|said|note|noted|report|reported|publish|published|post|posted)\b",
    re.IGNORECASE,
)
_OWNED = re.compile(rf"(?P<name>\b[A-Z][^\s,;:?!]*(?:\s+[A-Z][^\s,;:?!]*){{0,3}}?)['’]s\s+(?=(?:[\w-]+\s+){{0,2}}?(?i:{DOCUMENTS})\b)")  # fmt: skip
_HAS_WRITTEN = re.compile(r"(?P<name>\b[A-Z][^\s,;:?!]*(?:\s+[A-Z][^\s,;:?!]*){0,3})\s+(?:(?:has|have|had)\s+(?:ever\s+)?written|wrote|writes)\b")  # fmt: skip
_WORD_BEFORE = re.compile(r"([\w-]+)\s+$")
_DONE = frozenset(
    "made built led run held paid won sold taught bought told sent kept left found given taken done seen known".split()
)


def authors(question: str) -> Iterator[Hint]:
    """Each place where a name may stand for an author, the surest first."""
    for pattern in (_WRITTEN_BY, _WRITER, _FROM):
        for match in pattern.finditer(question):
            yield _open(match, partial=True)
    for match in _BY.finditer(question):
        # `hired by`, `built by`: whoever stands behind it did that, and wrote nothing.
        if match["said"] or not _acted(question, match.start("cut")):
            yield _open(match, partial=bool(match["said"]))
    for pattern in (_DID, _HAS_WRITTEN, _OWNED):
        for match in pattern.finditer(question):
            yield Hint("author", match.span(), field="author", name=match["name"], partial=True)
    for match in _ACCORDING.finditer(question):
        yield _open(match, partial=False)


def _open(match: re.Match[str], *, partial: bool) -> Hint:
    return Hint("author", match.span("cut"), field="author", name=match["name"], open=True, partial=partial)


def _acted(question: str, by: int) -> bool:
    before = _WORD_BEFORE.search(question, 0, by)
    word = before[1].lower() if before else ""
    return word.endswith(("ed", "en", "wn", "ught")) or word in _DONE
