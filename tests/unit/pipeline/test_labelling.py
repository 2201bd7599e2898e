"""Labels of a run: on every document, and in its version, so that other labels are noticed without other bytes."""

from dataclasses import dataclass, replace

import pytest

from tandem.domain.document import RawDocument
from tandem.domain.errors import InvalidRequest
from tandem.ingestion.labels import Labels, checked
from tandem.pipeline.labelling import labelled
from tandem.ports.source import DocumentRef, Listing

DOCUMENT = RawDocument("a.md", b"words", "/a.md", tags=("own",), acl=("staff",), author="Bo", version="v1")
LABELS = Labels(tags=("release", "own"), acl=("board",), author="Ann")


@dataclass(frozen=True)
class Ref:
    document: RawDocument = DOCUMENT
    id: str = "a.md"
    size: int | None = 5

    @property
    def version(self) -> str | None:
        return self.document.version

    async def read(self, unless: str | None = None) -> RawDocument | None:
        return None if unless is not None and unless == self.document.version else self.document


@dataclass(frozen=True)
class OnePlace:
    ref: DocumentRef
    place: str = "/folder"

    async def listing(self) -> Listing:
        return Listing((self.ref,), origin="o")


async def ref_with(labels: Labels, document: RawDocument = DOCUMENT) -> DocumentRef:
    [source] = labelled([OnePlace(Ref(document))], labels)
    listing = await source.listing()
    assert (source.place, listing.origin) == ("/folder", "o")
    return listing.refs[0]


async def test_labels_are_added_and_the_author_wins() -> None:
    ref = await ref_with(LABELS)
    document = await ref.read()
    assert document == replace(
        DOCUMENT, tags=("own", "release"), acl=("staff", "board"), author="Ann", version=ref.version
    )


async def test_other_labels_are_another_version() -> None:
    versions = {(await ref_with(labels)).version for labels in (Labels(), LABELS, replace(LABELS, acl=("others",)))}
    assert len(versions) == 3


async def test_what_was_stored_with_these_labels_is_not_sent_again() -> None:
    ref, other = await ref_with(LABELS), await ref_with(replace(LABELS, acl=("others",)))
    assert await ref.read(unless=ref.version) is None
    assert await ref.read(unless=other.version) is not None
    assert await ref.read(unless="v1") is not None
    assert (await ref_with(LABELS, replace(DOCUMENT, version=None))).version is None


async def test_without_labels_the_sources_stay_themselves() -> None:
    source = OnePlace(Ref())
    assert labelled([source], Labels()) == [source]


@pytest.mark.parametrize("labels", [Labels(tags=("",)), Labels(acl=("a\nb",)), Labels(author=" ")])
def test_labels_that_no_document_may_have_are_refused_at_once(labels: Labels) -> None:
    with pytest.raises(InvalidRequest):
        checked(labels)
