"""The rules against a labelled list of questions, and against sets of questions that name no documents at all."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes.known_collection import KnownCollection
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.domain.context import RequestContext
from tandem.domain.query import QueryPlan
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.catalogue import Catalogue
from tandem.pipeline.course import Course
from tandem.pipeline.understanding import Understanding
from tandem.retrieval.pace import Pace
from tandem.retrieval.reading.told import shown

ROOT = Path(__file__).parents[3]
# A Saturday.
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LABELLED = [json.loads(line) for line in (ROOT / "tests/eval/question-rules/questions.jsonl").read_text().splitlines()]
SHARED = ROOT.parent / "shared/eval"
SETS = [
    ROOT / "tests/eval/tandem-docs",
    *(SHARED / name for name in ("xquad-en", "scifact") if (SHARED / name).is_dir()),
]
OFFICE = "application/vnd.openxmlformats-officedocument"
HARBOUR = KnownCollection(
    {
        "author": ("Jane Doe", "John Smith", "Mary Smith", "Doe-Larsen, Ida", "Acme Corp", "hand"),
        "tags": ("billing", "On Call", "safety", "q3-review"),
        "media_type": (
            "application/pdf",
            "text/markdown",
            f"{OFFICE}.presentationml.presentation",
            f"{OFFICE}.spreadsheetml.sheet",
            f"{OFFICE}.wordprocessingml.document",
        ),
        "path": ("docs/guides/harbour.md", "docs/fees.md", "harbour.md", "reports/2024/storm.pdf", "src/app.py"),
    }
)


async def planned(question: str, known: KnownCollection = HARBOUR) -> QueryPlan:
    clock = ScriptedClock(epoch_s=NOW.timestamp())
    understanding = Understanding(Catalogue(known, clock), clock)
    return await understanding.plan(
        question, RetrievalOptions("docs@1"), RequestContext("r"), Course(Pace(), clock, None)
    )


async def test_precision_and_recall_on_the_labelled_list() -> None:
    right = wrong = missed = 0
    faults = []
    for labelled in LABELLED:
        plan = await planned(labelled["question"])
        found, wanted = {shown(each) for each in plan.filters}, set(labelled["filters"])
        right += len(found & wanted)
        wrong += len(found - wanted)
        missed += len(wanted - found)
        if found != wanted:
            faults.append((labelled["question"], sorted(found - wanted), sorted(wanted - found)))
    assert right / (right + wrong) == 1.0, faults
    assert right / (right + missed) >= 0.95, faults


async def test_a_question_that_names_no_documents_asks_the_collection_nothing() -> None:
    known = KnownCollection({})
    plan = await planned("What does a berth for a boat of eight metres cost a night?", known)
    assert known.asked == [] and not plan.inferred and plan.told == ()


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
async def test_no_question_of_an_evaluation_set_gets_a_filter(folder: Path) -> None:
    for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        plan = await planned(json.loads(line)["text"])
        assert plan.filters == (), plan
