"""How likely it is that a passage answers the question, from two signals that do not depend on the collection's size.

`cosine * coverage`: the dense similarity times the share of the question's content words (by stem, longer ones counting
more) that the passage holds. Either alone is fooled: cosine by passages on the same subject that say something else
(AUC .885), coverage by common words (.931); their product separates best (.954). BM25's own score would add a little on
large collections (.966) but shrinks with the collection, and a user's first document must not be refused for being the first.

Measured by `scripts/bench threshold` on XQuAD-en and SciFact: 391 questions whose gold passage is in the collection, 1,109
whose passage is not (removed, or of the other set). The logistic's coefficients are fitted there. At the default threshold
95 % of the answerable are answered; of the unanswerable 2 to 3 % when the subject is foreign to the collection, 27 % when only
the gold passage is missing among close neighbours.
"""

import math
from collections.abc import Sequence

from tandem.domain.text import stems

SLOPE = 14.81
INTERCEPT = -4.70
THRESHOLD = 0.113
# Longer words say more; beyond this the length says nothing any more.
_WEIGHED_LETTERS = 8


def coverage(question: Sequence[str], text: str) -> float:
    """Share, 0…1, of the question's stems that the text holds, weighed by length. 0 for no stems."""
    held = set(stems(text))
    wanted = dict.fromkeys(question)
    total = sum(min(len(stem), _WEIGHED_LETTERS) for stem in wanted)
    return sum(min(len(stem), _WEIGHED_LETTERS) for stem in wanted if stem in held) / total if total else 0.0


def relevance(cosine: float, covered: float) -> float:
    """Calibrated, 0…1."""
    return 1 / (1 + math.exp(-(SLOPE * max(cosine, 0.0) * covered + INTERCEPT)))
