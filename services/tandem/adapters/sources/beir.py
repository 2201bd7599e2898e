"""A BEIR folder: corpus.jsonl, queries.jsonl, qrels/*.tsv."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem.domain.errors import InvalidRequest
from tandem.retrieval.labelled import LabelledDocument, LabelledSet

_LAYOUT = "A labelled set is a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv (BEIR's layout)."


def read_labelled(folder: Path) -> LabelledSet:
    """Raises `InvalidRequest` that names file and line."""
    documents = tuple(
        LabelledDocument(_text(where, line, "_id"), str(line.get("title") or ""), _text(where, line, "text"))
        for where, line in _objects(folder / "corpus.jsonl")
    )
    queries = {
        _text(where, line, "_id"): _text(where, line, "text") for where, line in _objects(folder / "queries.jsonl")
    }
    qrels: dict[str, dict[str, int]] = {}
    files = sorted((folder / "qrels").glob("*.tsv"))
    if not files:
        raise InvalidRequest(f"{folder} holds no qrels/*.tsv.", hint=_LAYOUT)
    known = {document.id for document in documents}
    for file in files:
        for where, query, document, gain in _judgements(file):
            if query not in queries or document not in known:
                missing = query if query not in queries else document
                raise InvalidRequest(
                    f"{where}: {missing!r} is in neither queries.jsonl nor corpus.jsonl.", hint=_LAYOUT
                )
            if gain > 0:
                qrels.setdefault(query, {})[document] = gain
    return LabelledSet(folder.resolve().name, documents, queries, qrels)


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        # Not `splitlines`: JSON may hold U+2028 and other separators inside a text.
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1):
            if line.strip():
                yield f"{file.name}, line {number}", line.rstrip("\r")
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}.", hint=_LAYOUT) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} is not UTF-8.", hint=_LAYOUT) from error


def _objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, line in _lines(file):
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidRequest(f"{where}: not JSON ({error.msg}).", hint=_LAYOUT) from error
        if not isinstance(found, dict):
            raise InvalidRequest(f"{where}: not an object.", hint=_LAYOUT)
        yield where, found


def _text(where: str, line: dict[str, Any], key: str) -> str:
    value = line.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"{where}: {key!r} is missing, empty or no string.", hint=_LAYOUT)
    return value


def _judgements(file: Path) -> Iterator[tuple[str, str, str, int]]:
    for number, (where, line) in enumerate(_lines(file)):
        cells = line.split("\t")
        if number == 0 and cells[-1].strip().lower() == "score":
            continue
        if len(cells) != 3 or not cells[2].strip().lstrip("-").isdecimal():
            raise InvalidRequest(f"{where}: expected query-id, corpus-id and score, separated by tabs.", hint=_LAYOUT)
        yield where, cells[0], cells[1], int(cells[2])
