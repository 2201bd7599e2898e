"""The documentation as it stands now, ingested as a user ingests it, answers the questions that users ask about it.

The questions and the sections that answer them are those of `tests/eval/tandem-docs`; its frozen corpus guards the
retrieval, this guards the pages as well: wording may change freely as long as the sections are still found.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tandem.app import parts
from tandem.app.settings import load_settings
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk, RawDocument, StoredDocument
from tandem.domain.passage import Passage
from tandem.domain.question import RetrievalOptions
from tandem.retrieval.metrics import scores

ROOT = Path(__file__).parents[2]
SET = ROOT / "tests/eval/tandem-docs"
CONTEXT = RequestContext("test")
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass
class Asked:
    """Per answerable question the metrics of the reranked sections, and whether a right one is among the passages for the
    prompt (None: refused); per unanswerable question whether it was refused."""

    metrics: dict[str, dict[str, float]]
    given: dict[str, bool | None]
    refused: dict[str, bool]


def _labels() -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    lines = (SET / "queries.jsonl").read_text().splitlines()
    queries = {query["_id"]: query["text"] for query in map(json.loads, lines)}
    qrels: dict[str, dict[str, int]] = {}
    # Sections that came since the corpus was frozen are labelled beside the set, which is whole without them.
    for file in ("qrels/test.tsv", "since.tsv"):
        for line in (SET / file).read_text().splitlines()[1:]:
            query, section, gain = line.split("\t")
            qrels.setdefault(query, {})[section] = int(gain)
    return queries, qrels


class Pages:
    """Where the sections of each page begin and end, told from its chunks: a chunk may hold several small sections."""

    def __init__(self) -> None:
        self._headings: dict[str, dict[int, str]] = {}

    def add(self, stored: StoredDocument) -> None:
        page = stored.record.id
        self._headings[page] = {0: f"{page}#{_slug(stored.record.title)}"}
        for chunk in stored.chunks:
            for match in _HEADING.finditer(chunk.text):
                self._headings[page][chunk.start + match.start()] = f"{page}#{_slug(match[1])}"

    def all(self) -> set[str]:
        return {section for headings in self._headings.values() for section in headings.values()}

    def of(self, passages: Sequence[Passage]) -> list[str]:
        """The sections that the passages hold more of than a heading, in order, each once."""
        return list(dict.fromkeys(section for passage in passages for section in self._of(passage.chunk)))

    def _of(self, chunk: Chunk) -> Iterator[str]:
        headings = sorted(self._headings[chunk.document_id].items())
        for (start, section), (end, _) in pairwise((*headings, (chunk.end, ""))):
            if min(end, chunk.end) - max(start, chunk.start) > len(section) + 20:
                yield section


def _slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


async def _ask(data_dir: Path) -> Asked:
    queries, qrels = _labels()
    pages, asked = Pages(), Asked({}, {}, {})
    settings = load_settings(None, data_dir=data_dir)
    async with (
        parts.shared(parts.embedder(settings)) as dense,
        parts.local_features(settings, dense) as (retriever, ingestor),
    ):
        for page in sorted((ROOT / "docs").glob("*.md")):
            name = f"docs/{page.name}"
            await ingestor.put("docs", RawDocument(name, page.read_bytes(), str(page)), CONTEXT)
            pages.add(await ingestor.document("docs", name, CONTEXT))
        await ingestor.settle("docs")
        gone = sorted({section for right in qrels.values() for section in right} - pages.all())
        assert not gone, f"no such heading any more: name the one that answers now in {SET.name}/qrels/test.tsv: {gone}"
        for query, question in queries.items():
            found = await retriever.retrieve(question, RetrievalOptions(explain=True), CONTEXT)
            if query not in qrels:
                asked.refused[query] = not found.passages
                continue
            assert found.trace is not None
            right = qrels[query]
            asked.metrics[query] = scores(pages.of(found.trace.reranked), right)
            asked.given[query] = bool(right.keys() & set(pages.of(found.passages))) if found.passages else None
    return asked


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return asyncio.run(_ask(tmp_path_factory.mktemp("docs")))


def _mean(asked: Asked, metric: str) -> float:
    return sum(found[metric] for found in asked.metrics.values()) / len(asked.metrics)


def test_the_sections_that_answer_are_found(asked: Asked) -> None:
    # Measured .897 and .779: three questions of fifty may get worse before this fails.
    assert _mean(asked, "recall@5") >= 0.84
    assert _mean(asked, "ndcg@10") >= 0.8


def test_the_prompt_gets_a_passage_that_answers(asked: Asked) -> None:
    missed = [query for query, found in asked.given.items() if found is False]
    # Measured three of fifty.
    assert len(missed) <= 0.12 * len(asked.given), missed


def test_hardly_a_question_that_the_pages_answer_is_refused(asked: Asked) -> None:
    refused = [query for query, found in asked.given.items() if found is None]
    # Measured five of fifty.
    assert len(refused) <= 0.15 * len(asked.given), refused


def test_questions_about_something_else_are_refused(asked: Asked) -> None:
    answered = [query for query, refused in asked.refused.items() if not refused]
    assert len(answered) <= 0.1 * len(asked.refused), answered
