"""Two runs over the same questions: which is better, on what, by how much, and whether that may be chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.pipeline.evaluation.answers import MEASURES
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.verdicts import verdict, wire
from tandem.retrieval.metrics import NAMES
from tandem.retrieval.significance import Difference, corrected, difference

ABSTENTION = "right_to_answer"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`metrics` of the second run against the first, over the questions that both have a value for.

    p-values are corrected for all of them together (Holm). `changed` are the questions whose nDCG@10 differs most, in the
    order of how much: id and difference.
    """

    metrics: dict[str, Difference]
    changed: tuple[tuple[str, float], ...]

    def body(self) -> dict[str, Any]:
        """As `tandem eval -o json` prints it."""
        found = {name: wire(one, self.told(name)) for name, one in self.metrics.items()}
        return {"metrics": found, "changed": [{"question": query, "by": round(by, 4)} for query, by in self.changed]}

    def told(self, name: str) -> str:
        """The verdict on one metric, in one line."""
        return verdict(name, self.metrics[name])

    @property
    def worse(self) -> tuple[str, ...]:
        """The metrics on which the second run is worse, and not by chance."""
        return tuple(name for name, one in self.metrics.items() if one.significant and one.mean < 0)


def compare(first: Sequence[Row], second: Sequence[Row]) -> Comparison:
    """Rows of the same set, in any order; empty when they share no question that can be told of."""
    one, other = ({row.question: dict(_values(row)) for row in rows if row.failed is None} for rows in (first, second))
    shared = [query for query in one if query in other]
    metrics = {}
    for name in (*NAMES, *MEASURES, ABSTENTION):
        pairs = [(one[q][name], other[q][name]) for q in shared if name in one[q] and name in other[q]]
        if pairs:
            metrics[name] = difference([a for a, _ in pairs], [b for _, b in pairs])
    gaps = {q: other[q]["ndcg@10"] - one[q]["ndcg@10"] for q in shared if "ndcg@10" in one[q] and "ndcg@10" in other[q]}
    changed = sorted(((q, by) for q, by in gaps.items() if by), key=lambda each: (-abs(each[1]), each[0]))
    return Comparison(corrected(metrics), tuple(changed))


def _values(row: Row) -> Iterator[tuple[str, float]]:
    yield from row.final.items()
    yield from row.measures.items()
    if row.abstained is not None:
        yield ABSTENTION, float(row.abstained != row.answerable)
