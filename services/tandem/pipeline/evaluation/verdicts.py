"""A difference in one line for people: which is better, by how much, how sure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tandem.retrieval.significance import Difference

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


def verdict(name: str, found: Difference, *, who: str = "b", whom: str = "") -> str:
    """`who` is better or worse (than `whom`), or no difference is shown."""
    title = TITLES.get(name, name)
    facts = f"{_signed(found.mean)} (95 % CI {_bare(found.low)} … {_bare(found.high)}, {_p(found.adjusted)})"
    if not found.significant:
        between = f" between {who} and {whom}" if whom else ""
        return f"no difference shown{between} on {title}: {facts}"
    kind = "better" if found.mean > 0 else "worse"
    return f"{who} is {kind}{f' than {whom}' if whom else ''} on {title}: {facts}"


def wire(found: Difference, told: str) -> dict[str, Any]:
    """As `tandem eval -o json` prints it; `told` is its verdict."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(found).items()}
    return rounded | {"significant": found.significant, "verdict": told}


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{_bare(abs(value))}"


def _bare(value: float) -> str:
    told = f"{abs(value):.3f}"
    sign = "−" if value < 0 and told.strip("0.") else ""
    return sign + told.removeprefix("0")


def _p(value: float) -> str:
    return "p < .001" if value < 0.001 else f"p {value:.2g}".replace(" 0.", " .")
