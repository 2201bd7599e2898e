"""Whether an answer says what the gold answers say, by SQuAD's rules.

Normalisation and token F1 as in SQuAD's evaluation script (Rajpurkar et al., EMNLP 2016): lower case, no punctuation, no
articles; the best of several gold answers counts.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = re.compile(r"\[\d{1,3}(?:\s*[,;]\s*\d{1,3})*\]")
_PUNCTUATION = str.maketrans("", "", string.punctuation + "“”‘’…–—")


def contains(answer: str, gold: Sequence[str]) -> float:
    """1 when one of the gold answers stands in the answer word for word, else 0."""
    said = f" {normal(answer)} "
    return float(any(f" {wanted} " in said for wanted in map(normal, gold) if wanted))


def f1(answer: str, gold: Sequence[str]) -> float:
    """Harmonic mean of the shares of words that answer and gold answer have in common, 0…1. Long answers score low."""
    return max((_f1(normal(answer).split(), normal(each).split()) for each in gold), default=0.0)


def normal(text: str) -> str:
    """Without citation marks, case, punctuation and articles."""
    bare = _MARKS.sub(" ", text).casefold().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    shared = (Counter(said) & Counter(wanted)).total()
    return 2 * shared / (len(said) + len(wanted))
