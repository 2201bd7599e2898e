"""Sources whose documents all get the labels of a run: tags, groups, an author."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tandem.domain.document import RawDocument
from tandem.ingestion.labels import UNLABELLED, Labels
from tandem.ports.source import DocumentRef, Listing, Source

_JOINT = "+"
_MARK_CHARS = 12


def labelled(sources: Sequence[Source], labels: Labels) -> list[Source]:
    """The sources themselves where there is nothing to add."""
    if labels == UNLABELLED:
        return list(sources)
    return [_LabelledSource(source, labels) for source in sources]


@dataclass(frozen=True, slots=True)
class _LabelledSource:
    inner: Source
    labels: Labels

    @property
    def place(self) -> str:
        """The source's own."""
        return self.inner.place

    async def listing(self) -> Listing:
        """The source's own, of documents with labels."""
        found = await self.inner.listing()
        return replace(found, refs=tuple(self._refs(found.refs)), acl=(*found.acl, *self.labels.acl))

    def _refs(self, refs: Iterable[DocumentRef]) -> Iterable[DocumentRef]:
        mark = hashlib.sha256(repr(self.labels).encode()).hexdigest()[:_MARK_CHARS]
        return (_LabelledRef(ref, self.labels, f"{_JOINT}{mark}") for ref in refs)


@dataclass(frozen=True, slots=True)
class _LabelledRef:
    """Its version tells of the labels too: the same bytes with other labels are read again, and then stored anew."""

    inner: DocumentRef
    labels: Labels
    mark: str

    @property
    def id(self) -> str:
        """The document's own."""
        return self.inner.id

    @property
    def size(self) -> int | None:
        """The document's own."""
        return self.inner.size

    @property
    def version(self) -> str | None:
        """The source's word and the labels'."""
        return self._with_mark(self.inner.version)

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """With the labels on. What was stored under other labels is sent again."""
        same = unless is not None and unless.endswith(self.mark)
        document = await self.inner.read(unless.removesuffix(self.mark) if same and unless is not None else None)
        if document is None:
            return None
        return replace(self.labels.on(document), version=self._with_mark(document.version))

    def _with_mark(self, version: str | None) -> str | None:
        return None if version is None else f"{version}{self.mark}"
