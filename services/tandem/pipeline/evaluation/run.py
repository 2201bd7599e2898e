"""One evaluation as it is kept: what was measured, when, of what exactly, and the figures."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from tandem.retrieval.labelled import LabelledSet


@dataclass(frozen=True, slots=True)
class Run:
    """`side` is a, or b of a comparison. `at_s` is the end, epoch seconds. `subject` is `in process` or a URL, of which the configuration is not known and
    `config` empty; else that is the hash of what can change a figure. `collections`, `prompts` and `models` (with revision
    where it is told) are those that the questions met: more than one of them means that it changed meanwhile. `figures` is
    what `tandem eval -o json` prints.
    """

    id: str
    side: str
    at_s: float
    tandem: str
    subject: str
    config: str
    set_name: str
    set_hash: str
    questions: int
    limit: int | None
    seed: int
    answers: bool
    judge: str
    collections: tuple[str, ...]
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)


def set_hash(labelled: LabelledSet) -> str:
    """Changes with every question, judgement, answer and document of the set."""
    told = [
        labelled.name,
        [(each.id, each.title, each.text) for each in labelled.documents],
        sorted(labelled.queries.items()),
        sorted((query, sorted(gains.items())) for query, gains in labelled.qrels.items()),
        sorted((query, sorted(texts)) for query, texts in labelled.answers.items()),
    ]
    return digest(told)


def digest(told: Any) -> str:
    """A short hash of something that is JSON."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
