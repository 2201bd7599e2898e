"""Golden questions: a `golden.jsonl`, or a labelled set in BEIR's layout, about a collection that exists."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem.adapters.sources.beir import read_labelled
from tandem.adapters.sources.lines import objects, text, texts
from tandem.domain.errors import InvalidRequest
from tandem.retrieval.labelled import LabelledSet

GOLDEN = "golden.jsonl"
_LAYOUT = (
    'Each line of golden.jsonl is {"question": …, "document_ids": […]} or {"question": …, "unanswerable": true}; '
    '"id", "answer" and "answers" may be added.'
)
_KNOWN = {"id", "question", "document_ids", "answer", "answers", "unanswerable"}


def read_golden(path: Path) -> LabelledSet:
    """The questions of a .jsonl file, of the golden.jsonl in a folder, or of a BEIR folder; never any documents.

    Raises `InvalidRequest` that names file and line.
    """
    if path.is_file():
        return _golden(path)
    if (path / GOLDEN).is_file():
        return _golden(path / GOLDEN)
    if not path.is_dir():
        raise InvalidRequest(f"There are no golden questions at {path}.", hint=_LAYOUT)
    return read_labelled(path, corpus=False)


def _golden(file: Path) -> LabelledSet:
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    answers: dict[str, tuple[str, ...]] = {}
    for number, (where, line) in enumerate(objects(file, _LAYOUT), 1):
        name = text(where, line, "id", _LAYOUT) if "id" in line else f"question-{number}"
        if name in queries:
            raise InvalidRequest(f"{where}: there is a question {name!r} already.", hint=_LAYOUT)
        if unknown := sorted(line.keys() - _KNOWN):
            raise InvalidRequest(f"{where}: {unknown[0]!r} is no field of a golden question.", hint=_LAYOUT)
        queries[name] = text(where, line, "question", _LAYOUT)
        right = texts(where, line, "document_ids", _LAYOUT)
        if _unanswerable(where, line) == bool(right):
            told = "an unanswerable question names no document" if right else "'document_ids' is missing or empty"
            raise InvalidRequest(f"{where}: {told}.", hint=_LAYOUT)
        if right:
            qrels[name] = dict.fromkeys(right, 1)
        if said := tuple(_said(where, line)):
            answers[name] = said
    if not queries:
        raise InvalidRequest(f"{file.name} holds no question.", hint=_LAYOUT)
    return LabelledSet(file.resolve().parent.name if file.name == GOLDEN else file.stem, (), queries, qrels, answers)


def _said(where: str, line: dict[str, Any]) -> Iterator[str]:
    if line.get("answer") is not None:
        yield text(where, line, "answer", _LAYOUT)
    yield from texts(where, line, "answers", _LAYOUT)


def _unanswerable(where: str, line: dict[str, Any]) -> bool:
    value = line.get("unanswerable", False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{where}: 'unanswerable' is neither true nor false.", hint=_LAYOUT)
    return value
