"""A BEIR folder: queries.jsonl, qrels/*.tsv, and corpus.jsonl and answers.jsonl where it has them."""

from collections.abc import Iterator
from pathlib import Path

from tandem.adapters.sources.lines import lines, objects, text, texts
from tandem.domain.errors import InvalidRequest
from tandem.retrieval.labelled import LabelledDocument, LabelledSet

_LAYOUT = "A labelled set is a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv (BEIR's layout)."


def read_labelled(folder: Path, *, corpus: bool = True) -> LabelledSet:
    """Raises `InvalidRequest` that names file and line. Without `corpus` its documents are left unread."""
    documents = tuple(_documents(folder / "corpus.jsonl")) if corpus else ()
    queries = _queries(folder / "queries.jsonl")
    qrels: dict[str, dict[str, int]] = {}
    files = sorted((folder / "qrels").glob("*.tsv"))
    if not files:
        raise InvalidRequest(f"{folder} holds no qrels/*.tsv.", hint=_LAYOUT)
    known = {document.id for document in documents}
    for file in files:
        for where, query, document, gain in _judgements(file):
            if query not in queries or (corpus and document not in known):
                missing = query if query not in queries else document
                raise InvalidRequest(
                    f"{where}: {missing!r} is in neither queries.jsonl nor corpus.jsonl.", hint=_LAYOUT
                )
            if gain > 0:
                qrels.setdefault(query, {})[document] = gain
    return LabelledSet(folder.resolve().name, documents, queries, qrels, _answers(folder / "answers.jsonl", queries))


def _documents(file: Path) -> Iterator[LabelledDocument]:
    seen: set[str] = set()
    for where, line in objects(file, _LAYOUT):
        name = text(where, line, "_id", _LAYOUT)
        if name in seen:
            raise InvalidRequest(f"{where}: there is a document {name!r} already.", hint=_LAYOUT)
        seen.add(name)
        yield LabelledDocument(name, str(line.get("title") or ""), text(where, line, "text", _LAYOUT))


def _queries(file: Path) -> dict[str, str]:
    queries: dict[str, str] = {}
    for where, line in objects(file, _LAYOUT):
        name = text(where, line, "_id", _LAYOUT)
        if name in queries:
            raise InvalidRequest(f"{where}: there is a question {name!r} already.", hint=_LAYOUT)
        queries[name] = text(where, line, "text", _LAYOUT)
    return queries


def _answers(file: Path, queries: dict[str, str]) -> dict[str, tuple[str, ...]]:
    if not file.exists():
        return {}
    answers: dict[str, tuple[str, ...]] = {}
    for where, line in objects(file, _LAYOUT):
        name = text(where, line, "_id", _LAYOUT)
        if name not in queries:
            raise InvalidRequest(f"{where}: {name!r} is not in queries.jsonl.", hint=_LAYOUT)
        answers[name] = texts(where, line, "answers", _LAYOUT)
    return answers


def _judgements(file: Path) -> Iterator[tuple[str, str, str, int]]:
    for number, (where, line) in enumerate(lines(file, _LAYOUT)):
        cells = line.split("\t")
        if number == 0 and cells[-1].strip().lower() == "score":
            continue
        if len(cells) != 3 or not cells[2].strip().lstrip("-").isdecimal():
            raise InvalidRequest(f"{where}: expected query-id, corpus-id and score, separated by tabs.", hint=_LAYOUT)
        yield where, cells[0], cells[1], int(cells[2])
