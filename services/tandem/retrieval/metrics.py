"""How good a ranking is, against labelled relevance; means come with bootstrap confidence intervals.

Definitions as in BEIR and TREC: nDCG with gain `relevance` and discount `log2(rank + 1)` (Järvelin and Kekäläinen, 2002),
reciprocal rank of the first relevant document, recall as the share of the relevant ones. The intervals are percentile
bootstrap over queries (Efron, 1979), 95 %.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 1000
NAMES = ("ndcg@10", "mrr@10", "recall@1", "recall@5", "recall@10")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and its 95 % interval."""

    mean: float
    low: float
    high: float


def scores(ranking: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    """Every metric of one query. `ranking` holds distinct document ids, best first; `relevant` their gains, all > 0."""
    gains = [relevant.get(document, 0) for document in ranking[:10]]
    ideal = sorted(relevant.values(), reverse=True)[:10]
    first = next((rank for rank, gain in enumerate(gains, 1) if gain), None)
    return {
        "ndcg@10": _dcg(gains) / _dcg(ideal),
        "mrr@10": 1 / first if first else 0.0,
        **{f"recall@{k}": sum(gain > 0 for gain in gains[:k]) / len(relevant) for k in (1, 5, 10)},
    }


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """Equal values and seed give equal intervals. `values` is not empty."""
    sample = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(sample), (_RESAMPLES, len(sample)))
    low, high = np.quantile(sample[picks].mean(axis=1), (0.025, 0.975))
    return Estimate(float(sample.mean()), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Graded:
    """How well rankings answer the judged questions of a set.

    `means` and `questions` (by id) hold `NAMES`; `missed` are the ids of those whose relevant documents are not all among
    the first ten, in the set's order.
    """

    means: Mapping[str, float]
    questions: Mapping[str, Mapping[str, float]]
    missed: tuple[str, ...]


def grade(qrels: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]) -> Graded:
    """Rankings hold document ids, best first, by question; a repeated document counts at its first place only.

    A question without a ranking was answered with nothing. `qrels` is not empty.
    """
    questions = {
        query: scores(list(dict.fromkeys(rankings.get(query, ()))), relevant) for query, relevant in qrels.items()
    }
    means = {name: math.fsum(found[name] for found in questions.values()) / len(questions) for name in NAMES}
    return Graded(means, questions, tuple(query for query, found in questions.items() if found["recall@10"] < 1))
