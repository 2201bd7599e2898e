"""A BEIR folder: corpus.jsonl, queries.jsonl, qrels/*.tsv, and answers.jsonl when there is one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem.domain.errors import InvalidRequest
from tandem.retrieval.labelled import LabelledDocument, LabelledSet

_SPLITS = ("test", "dev")
_LAYOUT = "A labelled set is a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv (BEIR's layout)."


def read_labelled_set(folder: Path, split: str | None = None) -> LabelledSet:
    """The set with the judgements of `split`; unset: test, else dev, else the first by name.

    Raises `InvalidRequest` that names the file and the line at fault.
    """
    documents = tuple(
        LabelledDocument(_text(row, "_id", where), _text(row, "title", where, ""), _text(row, "text", where))
        for where, row in _rows(folder / "corpus.jsonl")
    )
    questions = {_text(row, "_id", where): _text(row, "text", where) for where, row in _rows(folder / "queries.jsonl")}
    known = {document.id for document in documents}
    judgements = _judgements(_judgement_file(folder, split), known, questions)
    return LabelledSet(documents, questions, judgements, _answers(folder / "answers.jsonl"))


def _judgement_file(folder: Path, split: str | None) -> Path:
    qrels = folder / "qrels"
    if split is not None:
        return qrels / f"{split}.tsv"
    preferred = [qrels / f"{name}.tsv" for name in _SPLITS]
    found = [path for path in (*preferred, *sorted(qrels.glob("*.tsv"))) if path.is_file()]
    if not found:
        raise InvalidRequest(f"There is no .tsv file in {qrels}.", hint=_LAYOUT)
    return found[0]


def _judgements(path: Path, documents: set[str], questions: dict[str, str]) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        question, *rest = line.split("\t")
        if number == 1 and rest[-1:] and not _is_grade(rest[-1]):
            continue
        where = f"{path}, line {number}"
        # Four columns are TREC's: query, iteration, document, grade.
        if len(rest) not in {2, 3} or not _is_grade(rest[-1]):
            raise InvalidRequest(f"{where}: expected query-id, corpus-id and a whole score, separated by tabs.")
        document = rest[-2]
        if question not in questions:
            raise InvalidRequest(f"{where}: the question {question!r} is not in queries.jsonl.")
        if document not in documents:
            raise InvalidRequest(f"{where}: the document {document!r} is not in corpus.jsonl.")
        judgements.setdefault(question, {})[document] = int(rest[-1])
    return judgements


def _is_grade(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()


def _answers(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.is_file():
        return {}
    answers = {}
    for where, row in _rows(path):
        spans = row.get("answers")
        if not isinstance(spans, list) or not all(isinstance(span, str) for span in spans):
            raise InvalidRequest(f'{where}: "answers" must be a list of texts.')
        answers[_text(row, "_id", where)] = tuple(spans)
    return answers


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's object, and where it stands."""
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidRequest(f"{where}: not valid JSON.") from error
        if not isinstance(row, dict):
            raise InvalidRequest(f"{where}: expected a JSON object.")
        yield where, row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, numbered from 1 as an editor does."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line.rstrip("\n")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.", hint=_LAYOUT) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8.") from error


def _text(row: dict[str, Any], key: str, where: str, missing: str | None = None) -> str:
    value = row.get(key, missing)
    if not isinstance(value, str):
        raise InvalidRequest(f'{where}: "{key}" must be a text.')
    return value
