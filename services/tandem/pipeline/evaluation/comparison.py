"""Two runs over the same questions: which is better, on what, by how much, and whether that may be chance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tandem.pipeline.evaluation.answers import MEASURES
from tandem.pipeline.evaluation.rows import Row
from tandem.retrieval.metrics import NAMES
from tandem.retrieval.significance import Difference, corrected, difference

# The measures by their names for people.
TITLES: Mapping[str, str] = {
    "ndcg@10": "nDCG@10",
    "mrr@10": "MRR@10",
    "citation_precision": "citation precision",
    "citation_recall": "citation recall",
    "gold_cited": "gold cited",
    "cites_gold": "cites gold",
    "answer_contains": "answer contains gold",
    "answer_f1": "answer F1",
    "right_to_answer": "answers or abstains rightly",
}
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
        found = {
            name: {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(one).items()}
            | {"significant": one.significant, "verdict": verdict(name, one)}
            for name, one in self.metrics.items()
        }
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


def verdict(name: str, found: Difference) -> str:
    """One line for people: which is better, by how much, how sure."""
    title = TITLES.get(name, name)
    facts = f"{_signed(found.mean)} (95 % CI {_bare(found.low)} … {_bare(found.high)}, {_p(found.adjusted)})"
    if not found.significant:
        return f"no difference shown on {title}: {facts}"
    return f"b is {'better' if found.mean > 0 else 'worse'} on {title}: {facts}"


def _values(row: Row) -> Iterator[tuple[str, float]]:
    yield from row.final.items()
    yield from row.measures.items()
    if row.abstained is not None:
        yield ABSTENTION, float(row.abstained != row.answerable)


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{_bare(abs(value))}"


def _bare(value: float) -> str:
    told = f"{abs(value):.3f}"
    sign = "−" if value < 0 and told.strip("0.") else ""
    return sign + told.removeprefix("0")


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p {value:.2g}".replace(" 0.", " .")
