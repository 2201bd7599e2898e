"""A labelled set: questions, which document answers which, what the answer is, and the documents where it brings them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """One line of `corpus.jsonl`."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """`qrels` maps a question's id to gains by document id, all > 0; `answers` to texts any of which would be right.

    A question that is in `queries` and not in `qrels` has no answer in the documents: it should be refused. Without
    `documents` the set is about a collection that exists already.
    """

    name: str
    documents: tuple[LabelledDocument, ...]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def only(self, questions: Sequence[str]) -> "LabelledSet":
        """The same documents with these questions alone, in this order."""
        return replace(self, queries={each: self.queries[each] for each in questions})
