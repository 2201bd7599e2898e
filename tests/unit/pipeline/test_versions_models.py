"""What is told of versions, and the way from one made with other models to the next one."""

import pytest

from fakes.versions import Archive, Opener
from tandem.adapters.scripted.embedder import HashingSparse
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.context import RequestContext
from tandem.domain.document import RawDocument
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import GoldenQuestion
from tandem.domain.question import RetrievalOptions
from tandem.pipeline.versions.rebuilding import rebuild
from tandem.ports.versions import Promotion

ME = RequestContext("r", groups=(EVERY_GROUP,))
GOLDEN = (GoldenQuestion("harbour north", ("north.md",)), GoldenQuestion("ferry south", ("south.md",)))


async def test_versions_are_counted_when_they_are_listed() -> None:
    archive = Archive(MemoryVectors())
    for id_, text in (("a.md", "The harbour"), ("b.md", "The ferry")):
        await archive.ingesting.put("docs", RawDocument(id_, text.encode(), f"/{id_}"), ME)
    await archive.versions.begin("docs", ME)
    await archive.ingesting.delete("docs", "a.md", ME)
    listed = await archive.versions.versions("docs", ME)
    assert [(each.name, each.documents, each.chunks) for each in listed] == [("docs@1", 1, 1), ("docs@2", 0, 0)]
    assert listed[0].lineage.documents is None


class OtherWords(HashingSparse):
    name = "other-words@1"


@pytest.mark.parametrize(
    ("changes", "measure"),
    [
        ({}, 1.0),
        ({"dimensions": 32}, 1.0),
        ({"words": OtherWords()}, 1.0),
        ({"dimensions": 32, "words": OtherWords()}, None),
    ],
)
async def test_a_process_with_other_models_promotes_what_it_has_built(
    changes: dict[str, object], measure: float | None
) -> None:
    older = Archive(MemoryVectors())
    for id_, text in (
        ("north.md", "The harbour north"),
        ("south.md", "The ferry south"),
        ("other.md", "Nothing at all"),
    ):
        await older.ingesting.put("docs", RawDocument(id_, text.encode(), f"/{id_}"), ME)
    newer = Archive(older.vectors, older.clock, golden=GOLDEN, **changes)  # type: ignore[arg-type]
    done = await rebuild(newer.ingesting, "docs", ME, open_places=Opener({}), anew=True)
    promoted = await newer.versions.promote("docs", Promotion(version=done.version.name), ME)
    assert (promoted.state, promoted.recipe) == ("serving", newer.recipe)
    assert (promoted.lineage.gates[-1].measure, promoted.lineage.gates[-1].serving_measure) == (1.0, measure)
    found = await newer.retrieving.retrieve("ferry south", RetrievalOptions(), ME)
    assert (found.collection, found.degraded) == (promoted.name, ())
