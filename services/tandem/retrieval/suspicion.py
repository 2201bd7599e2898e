"""Passages that speak to the model rather than to a reader, told by rules: a hint for people, and no wall.

Each rule is a kind of attack published since 2022 (Perez and Ribeiro; Greshake et al.; OWASP LLM01), in the words that it
needs to work. What stands in quotation marks or as code is spoken about rather than said: it counts only where it could not
be of use as a quotation. `docs/security.md` has the measured rates.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from tandem.domain.marks import holds_tags, holds_turns
from tandem.domain.passage import Dropped, Passage
from tandem.domain.unseen import hides, without_unseen
from tandem.retrieval.wordings import SPOKEN, WRITTEN

Treatment = Literal["flag", "demote", "drop"]

# Letters of other alphabets that look like Latin ones, within words that are otherwise Latin.
_ALIKE = str.maketrans("аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅαορνικ", "aeopcyxijsdhqwABEKMHOPCTXIJSaopvik")
# These begin with what is rare and look back from there: to a text without it they cost next to nothing.
_MIXED = re.compile(r"[\u0370-\u04ff](?:(?<=[A-Za-z].)|(?=[A-Za-z]))")
_DIGITS = str.maketrans("013457", "oieast")
_LEET = re.compile(r"\b(?=\w*[A-Za-z])(?=\w*[013457][A-Za-z])[A-Za-z013457]{4,}\b")
_DIGIT_WITHIN = re.compile(r"[013457](?=[A-Za-z])(?<=[A-Za-z].)")
_SPACED = re.compile(r"\b(?:\w[ .\-_]){5,}\w\b")
_GAPS = re.compile(r"[ .\-_](?<=(?<!\w)\w.)\w[ .\-_]\w[ .\-_]\w(?!\w)")
_GAP = re.compile(r"(?<=\w)[ .\-_](?=\w)")
# `f <| x` of functional languages.
_OPERATOR = re.compile(r"<\|(?=\s)")
# A line that goes on in the next one.
_WRAPPED = re.compile(r"\n(?<=[a-z,;]\n)(?=[a-z])")
# Said of, not said: code, and short quotations.
_QUOTED = re.compile(
    r"```.*?```|`[^`\n]{1,200}`|\"[^\"\n]{1,160}\"|“[^”\n]{1,160}”|«[^»\n]{1,160}»|„[^“\n]{1,160}“", re.DOTALL
)
_SHORTEST_DECODED = 40
_BASE64 = re.compile(rf"(?<![\w+/])[A-Za-z0-9+/]{{{_SHORTEST_DECODED},}}={{0,2}}(?![\w+/])")
_MOST_DECODED = 4
_PLAIN = re.compile(r"[\s!-~]*")


# The same passages are found again and again.
@lru_cache(maxsize=2048)
def flags_of(text: str) -> tuple[str, ...]:
    """The kinds of suspicion that a text gives, in order; none for most texts."""
    seen = without_unseen(text)
    found = {"hidden_text"} if hides(text) else set()
    found.update(_of_form(seen))
    found.update(_worded(_spelled(seen)))
    if any(_worded(decoded) for decoded in _decoded(seen)):
        found.add("encoded")
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Screened:
    """What is left of the passages, each with its flags, and what was taken out."""

    passages: tuple[Passage, ...]
    dropped: tuple[Dropped, ...] = ()


def screened(passages: Sequence[Passage], treatment: Treatment) -> Screened:
    """The passages with their flags; suspicious ones behind all others with `demote`, left out with `drop`."""
    told = [replace(passage, flags=flags_of(passage_text(passage))) for passage in passages]
    good = [passage for passage in told if not passage.flags]
    bad = [passage for passage in told if passage.flags]
    if treatment == "drop":
        return Screened(tuple(good), tuple(Dropped(passage, "suspicious") for passage in bad))
    return Screened(tuple([*good, *bad] if treatment == "demote" else told))


def passage_text(passage: Passage) -> str:
    """All of a passage that gets into a prompt."""
    return "\n".join((*(passage.chunk.title_path or (passage.title,)), passage.chunk.text))


def _of_form(text: str) -> Iterable[str]:
    # In code and in quotes they are what the text is about; elsewhere nobody writes them.
    if holds_turns(text) and holds_turns(_OPERATOR.sub("", _said(text))):
        yield "chat_markers"
    if holds_tags(text) and holds_tags(_said(text)):
        yield "fence_markers"


def _worded(plain: str) -> set[str]:
    # Lower case once: the patterns need no flag, which would cost the engine a third.
    found = {wording.name for wording in WRITTEN.found(plain.lower())}
    lowered = _WRAPPED.sub(" ", plain).lower()
    spoken = SPOKEN.found(lowered)
    if spoken:
        said = _said(lowered)
        found |= {wording.name for wording in spoken if wording.pattern.search(said)}
    return found


def _said(text: str) -> str:
    """Without what stands in code and quotations."""
    return _QUOTED.sub(' "" ', text)


def _spelled(seen: str) -> str:
    """As a reader takes it: one alphabet, no digits for letters, no gaps within words."""
    if not seen.isascii():
        seen = unicodedata.normalize("NFKC", seen)
        if _MIXED.search(seen):
            seen = seen.translate(_ALIKE)
    if _GAPS.search(seen):
        seen = _SPACED.sub(lambda run: _GAP.sub("", run[0]), seen)
    if _DIGIT_WITHIN.search(seen):
        seen = _LEET.sub(lambda word: word[0].translate(_DIGITS), seen)
    return seen


def _decoded(text: str) -> list[str]:
    if max(map(len, text.split()), default=0) < _SHORTEST_DECODED:
        return []
    return [plain for run in _BASE64.findall(text)[:_MOST_DECODED] if (plain := _from_base64(run))]


def _from_base64(run: str) -> str:
    try:
        plain = base64.b64decode(run[: len(run) // 4 * 4], validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return plain if _PLAIN.fullmatch(plain) else ""
