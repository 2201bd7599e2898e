"""Words and sentences of any language, by rules that need no model."""

import re
from collections.abc import Iterator

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_END = re.compile(r"""[.!?…]["'”’)\]]*(?:\s*\[\d+(?:\s*,\s*\d+)*\])*(?=\s+["'“‘(\[]?[A-Z0-9À-ÖØ-Þ]|\s*$)|[。！？]|\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.)\s)""")
# Words that say little about what a text is about. English; other languages simply keep theirs.
_STOP = frozenset(
    "a about after all also am an and any are as at be been before being between both but by can could did do does doing "
    "during each for from had has have having he her here hers him his how i if in into is it its itself just many me "
    "more most much my no nor not of off on once only or other our out over own s same she should so some such t than "
    "that the their them then there these they this those through to too under until up us very was we were what when "
    "where which while who whom whose why will with would you your".split()
)  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words in order."""
    return [match[0].casefold() for match in _WORD.finditer(text)]


def content_words(text: str) -> list[str]:
    """Words that carry meaning; all words when none does."""
    found = words(text)
    return [word for word in found if word not in _STOP] or found


def stem(word: str) -> str:
    """A word's beginning, enough to match its inflections: `mooring` and `moored`, `cities` and `city`."""
    for ending in ("ings", "ing", "edly", "ies", "ied", "ed", "es", "s", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def stems(text: str) -> list[str]:
    """Stems of the content words, in order."""
    return [stem(word) for word in content_words(text)]


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Character spans of the sentences, without the white space around them."""
    start = 0
    for match in (*_END.finditer(text), None):
        end = match.end() if match else len(text)
        piece = text[start:end]
        if stripped := piece.strip():
            begin = start + piece.index(stripped)
            yield begin, begin + len(stripped)
        start = end
