"""How likely it is that a passage answers the question, from two signals that do not depend on the collection's size.

`cosine * coverage`: the dense similarity times the share of the question's content words (by stem, longer ones counting
more) that the passage and its headings hold. Either alone is fooled: cosine by passages on the same subject that say
something else (AUC .811 against them), coverage by common words (.858); their product separates best (.903). Questions
foreign to the collection are easy (.993; both together .964). BM25's own score is left out: it shrinks with the collection,
and a user's first document must not be refused for being the first.

Measured by `scripts/bench threshold` through the real pipeline on Tandem's docs, XQuAD-en and SciFact, 450 questions: put to
their own set, to it without the passages that answer them (near), and to the other sets (foreign). Slope and intercept are
fitted there. At the default threshold 96 % of the answerable questions are answered (docs 92 %, XQuAD-en 96 %, SciFact
98 %), and of the unanswerable 2.1 % of the foreign and 55 % of the near ones: whether a passage on the very subject holds
the fact asked for is beyond these signals, and a stricter threshold would refuse too many good questions.

None of these questions was held back: the product was picked among several signals, slope, intercept and threshold were
fitted, and the shares counted, on the same ones. Expect somewhat less on other documents.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from tandem.domain.text import holds_stem

SLOPE = 16.01
INTERCEPT = -4.67
THRESHOLD = 0.09
# Longer words say more; beyond this the length says nothing any more.
_WEIGHED_LETTERS = 8
_PAIRS_KEPT = 512


class Wanted:
    """The stems of a question, longer ones counting more, and how much of them a text holds."""

    def __init__(self, question: Sequence[str]) -> None:
        self._weights = {stem: min(len(stem), _WEIGHED_LETTERS) for stem in question}
        self._stems = tuple(self._weights)
        self._total = sum(self._weights.values()) or 1

    def covered(self, *texts: str) -> float:
        """Share, 0…1, of the stems that the texts together hold. 0 for no stems."""
        held = {stem for text in texts for stem in _held(self._stems, text)}
        return sum(self._weights[stem] for stem in held) / self._total


# The reranker asks the same of the same passages as the judge does after it.
@lru_cache(_PAIRS_KEPT)
def _held(stems: tuple[str, ...], text: str) -> tuple[str, ...]:
    folded = text.casefold()
    # Most are not there at all, and that is told without a call.
    return tuple(stem for stem in stems if stem in folded and holds_stem(folded, stem))


def coverage(question: Sequence[str], *texts: str) -> float:
    """The same for a question that is asked of one text only."""
    return Wanted(question).covered(*texts)


def relevance(cosine: float, covered: float) -> float:
    """Calibrated, 0…1."""
    return 1 / (1 + math.exp(-(SLOPE * max(cosine, 0.0) * covered + INTERCEPT)))
