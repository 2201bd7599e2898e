"""What can be seen of a statement and a text without a model: the words, numbers and names they share, and who denies."""

import re
from collections.abc import Iterator
from functools import lru_cache

from tandem.domain.text import sentences, words

_TEXTS_KEPT = 64
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<![.!?:\"“(]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w’'-]+")
_SPELLED = dict(
    zip("one two three four five six seven eight nine ten eleven twelve".split(), map(str, range(1, 13)), strict=True)
)
_DENYING = frozenset("not no never none nor neither without cannot nothing nobody hardly".split())


def verbatim(statement: str, text: str) -> bool:
    """The statement stands there, word for word."""
    said = " ".join(_words(statement))
    return bool(said) and f" {said} " in f" {' '.join(_words(text))} "


def windows(text: str) -> Iterator[str]:
    """Its sentences, and every two neighbouring ones."""
    spans = list(sentences(text))
    for index, (start, end) in enumerate(spans):
        yield text[start:end]
        if index + 1 < len(spans):
            yield text[start : spans[index + 1][1]]


def numbers_lacking(statement: str, text: str) -> float:
    """Share of the statement's numbers that the text lacks, 0 when it has none."""
    return _lacking(_numbers(statement), _numbers(text))


def names_lacking(statement: str, text: str) -> float:
    """Share of the statement's names that the text lacks, 0 when it has none."""
    return _lacking(_names(statement), _names(text) | _openers(text))


def one_denies(statement: str, text: str) -> bool:
    """Only one of the two says no."""
    return _denies(statement) != _denies(text)


def _lacking(wanted: set[str], held: set[str]) -> float:
    return len(wanted - held) / len(wanted) if wanted else 0.0


def _numbers(text: str) -> set[str]:
    spelled = {_SPELLED[word] for word in _words(text) if word in _SPELLED and word != "one"}
    return {number.replace(",", "") for number in _NUMBER.findall(text)} | spelled


def _names(text: str) -> set[str]:
    """Words with a capital letter that begin no sentence."""
    return {name.casefold().removesuffix("'s").removesuffix("’s") for name in _NAME.findall(text)}


def _openers(text: str) -> set[str]:
    """Words that begin a sentence may be names as well."""
    return {word for start, end in sentences(text) for word in words(text[start:end])[:1]}


def _denies(text: str) -> bool:
    return any(word in _DENYING or word.endswith(("n't", "n’t")) for word in _words(text))


@lru_cache(_TEXTS_KEPT)
def _words(text: str) -> tuple[str, ...]:
    """Each of the signals wants them, of the same two texts."""
    return tuple(words(text))
