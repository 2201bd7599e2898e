"""From ranked candidates to the passages of the prompt: relevant ones, each once, within number and budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from tandem.domain.passage import Dropped, Passage
from tandem.domain.text import stems
from tandem.retrieval.diversity import diversified
from tandem.retrieval.duplicates import Distinct
from tandem.retrieval.relevance import Wanted, relevance

# What a passage's cosine is taken for when words alone were searched for, so that the same threshold holds: measured on the
# same 450 questions, 93 % of the answerable ones are answered then, and 12 % of the foreign ones.
_UNKNOWN_COSINE = 0.35


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is selected. `threshold` is the least relevance of the best candidate, `diversity` see `diversity.py`.

    `flagged_last`: no variety brings a suspicious passage before one that is not.
    """

    top_k: int
    max_tokens: int
    threshold: float
    diversity: float = 0.0
    flagged_last: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """`best` is the highest relevance among the candidates, 0 when there are none. `spent` counts the passages' tokens."""

    passages: tuple[Passage, ...]
    dropped: tuple[Dropped, ...]
    best: float
    spent: int = 0


def judged(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """The same passages, each with its relevance to the question."""
    wanted = Wanted(stems(question))
    return [
        passage.scored(relevance=relevance(cosine, wanted.covered(*told(passage))))
        for passage, cosine in zip(passages, cosines(passages), strict=True)
    ]


def told(passage: Passage) -> tuple[str, ...]:
    """What a passage says, and the headings above it."""
    return passage.chunk.text, " ".join(passage.chunk.title_path)


def cosines(passages: Sequence[Passage]) -> list[float]:
    """Of each passage; the lowest one known for those that only the sparse leg found.

    The dense leg had others before them, so it is no more than that; nor is it nothing: in a large collection a rare word,
    a part number say, is found by its letters alone, and must not be refused for that. Where the dense leg was left out
    nothing is known of any.
    """
    known = [passage.scores.dense for passage in passages if passage.scores.dense is not None]
    lowest = min(known, default=_UNKNOWN_COSINE)
    return [lowest if passage.scores.dense is None else passage.scores.dense for passage in passages]


def select(candidates: Sequence[Passage], limits: Limits) -> Selection:
    """Nothing when no candidate reaches the threshold; else the best `top_k` within `max_tokens`, repeats left out.

    The threshold decides whether there is an answer at all: once there is one, weaker passages may still add to it.
    The first passage always fits, however long.
    """
    best = max((passage.scores.relevance or 0.0 for passage in candidates), default=0.0)
    if best < limits.threshold:
        return Selection((), tuple(Dropped(passage, "below_threshold") for passage in candidates), best)
    groups: tuple[Sequence[Passage], ...] = (candidates,)
    if limits.flagged_last:
        groups = tuple([each for each in candidates if bool(each.flags) is flagged] for flagged in (False, True))
    ordered = chain.from_iterable(diversified(group, limits.diversity) for group in groups)
    return _taken(ordered, limits, best)


def _taken(candidates: Iterable[Passage], limits: Limits, best: float) -> Selection:
    kept: list[Passage] = []
    dropped: list[Dropped] = []
    distinct = Distinct()
    spent = 0
    for passage in candidates:
        # Whether one repeats another is worth knowing only while there is room for it.
        if len(kept) == limits.top_k:
            dropped.append(Dropped(passage, "over_top_k"))
        elif (twin := distinct.twin(passage)) is not None:
            dropped.append(Dropped(passage, "near_duplicate", twin))
        elif kept and spent + passage.chunk.tokens > limits.max_tokens:
            dropped.append(Dropped(passage, "over_token_budget"))
        else:
            distinct.take(passage)
            kept.append(passage)
            spent += passage.chunk.tokens
    return Selection(tuple(kept), tuple(dropped), best, spent)
