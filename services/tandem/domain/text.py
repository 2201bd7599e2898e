"""Words and sentences of any language, by rules that need no model."""

import re
from collections.abc import Iterator
from functools import lru_cache

# An underscore joins words: a question asks for the drain timeout, the text says drain_timeout_s.
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_END = re.compile(
    r"""[.!?…]["'”’)\]]*(?:\s*\[\d+(?:\s*,\s*\d+)*\])*(?=\s+["'“‘(\[]?[A-Z0-9À-ÖØ-Þ]|\s*$)"""
    r"""|[。！？]|\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.)\s)"""
)
# What a full stop may follow without ending anything: an initial, a list's number, the usual abbreviations.
_ABBREVIATED = re.compile(
    r"(?:^|[\s(\[\"'“‘])(?:[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Fig|Eq|Sec|Vol|vs|cf|approx)$"
    r"|(?:^|\n)\s*\d{1,3}$"
)
_LONGEST_ABBREVIATION = 12
_VOWELS = frozenset("aeiouy")
# What `stem` takes off at most: `'s`, `edly`, and a letter more.
_LONGEST_INFLECTION = 7
# Most words of a text were met before: a look-up costs a thirtieth of taking the endings off. 2 MB.
_STEMS_KEPT = 16_384
# Of each pair of passages both are looked at. 4 MB.
_TEXTS_KEPT = 512
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
    if text.isascii():
        return _WORD.findall(text.lower())
    return [word.casefold() for word in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """Words that carry meaning; all words when none does."""
    found = words(text)
    return [word for word in found if word not in _STOP] or found


def says_something(text: str) -> bool:
    """True when one of its words carries meaning."""
    return any(word not in _STOP for word in words(text))


@lru_cache(_STEMS_KEPT)
def stem(word: str) -> str:
    """A word's beginning, the same for its inflections: `mooring` and `moored`, `cities` and `city`, `used` and `using`.

    Endings are taken off as in Porter's first step (1980) as long as a syllable is left; what they may have added or
    dropped (`stopp-`, `stor-`) is evened out, so that stems are no words.
    """
    word = word.removesuffix("'s").removesuffix("’s")
    for ending in ("ings", "ing", "edly", "ies", "ied", "ed", "es", "s"):
        rest = word.removesuffix(ending)
        if rest != word and _is_inflected(rest, ending):
            word = rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] in "bdfgmnprt":
        return word[:-1]
    if len(word) > 2 and (word[-1] == "e" or (word[-1] == "y" and word[-2] not in _VOWELS)):
        return word[:-1]
    return word


def _is_inflected(rest: str, ending: str) -> bool:
    if ending in ("ies", "ied"):
        return len(rest) > 1
    if ending == "s":
        # Neither a class nor a status is several.
        return len(rest) > 1 and rest[-1] not in "siu"
    return len(rest) > 1 and not _VOWELS.isdisjoint(rest) and not (ending == "ed" and rest[-1] == "e")


def stems(text: str) -> list[str]:
    """Stems of the content words, in order."""
    return [stem(word) for word in content_words(text)]


@lru_cache(_TEXTS_KEPT)
def stem_set(text: str) -> frozenset[str]:
    """Stems of the content words, each once: for texts that are looked at more than once, such as passages."""
    return frozenset(stems(text))


def holds_stem(folded: str, wanted: str) -> bool:
    """True when a content word of the case-folded text has this stem.

    A stem is the beginning of its words, so that only those that begin with it are looked at: a tenth of the time that
    taking all of a text's words apart needs.
    """
    start = folded.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not start or not (folded[start - 1].isalnum() or (start > 1 and _joins(folded, start - 1))):
            most = min(len(folded), end + _LONGEST_INFLECTION + 1)
            while end < most and (folded[end].isalnum() or _joins(folded, end)):
                end += 1
            word = folded[start:end]
            if len(word) - len(wanted) <= _LONGEST_INFLECTION and word not in _STOP and stem(word) == wanted:
                return True
        start = folded.find(wanted, end)
    return False


def _joins(text: str, place: int) -> bool:
    """An apostrophe between letters."""
    return text[place] in "'’" and text[place - 1].isalnum() and text[place + 1 : place + 2].isalnum()


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Character spans of the sentences, without the white space around them."""
    start = 0
    for match in (*_END.finditer(text), None):
        if (
            match
            and match[0][0] == "."
            and _ABBREVIATED.search(text[max(start, match.start() - _LONGEST_ABBREVIATION) : match.start()])
        ):
            continue
        end = match.end() if match else len(text)
        piece = text[start:end]
        if stripped := piece.strip():
            begin = start + piece.index(stripped)
            yield begin, begin + len(stripped)
        start = end
