"""A labelled set: documents, questions, and which document answers which question, in BEIR's layout."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """One line of `corpus.jsonl`."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """`qrels` maps a question's id to gains by document id, all > 0.

    A question that is in `queries` and not in `qrels` has no answer in the corpus: it should be refused.
    """

    name: str
    documents: tuple[LabelledDocument, ...]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
