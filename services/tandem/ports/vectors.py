"""The vector store: collections of embedded chunks, searched by meaning and by words together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.document import Chunk, CollectionInfo, DocumentPage, DocumentRecord, Recipe, StoredDocument
from tandem.domain.filters import Filter, FilterField
from tandem.domain.lineage import UNTOLD, Counts, Lineage, Version
from tandem.domain.passage import Passage
from tandem.domain.syncing import StreamPosition
from tandem.domain.viewer import Viewer
from tandem.ports.embedder import DenseVector, SparseVector
from tandem.ports.remembering import Remembering

# Of reciprocal rank fusion. Less than the usual 60, so that the first places count more: nDCG@10 of the fusion rises by .009
# (p = .007) on SciFact, .002 (p = .03) on XQuAD-en and .023 (p = .17) on Tandem's docs, on the held-out halves as well.
FUSION_K = 5


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk with both its vectors."""

    chunk: Chunk
    dense: DenseVector
    sparse: SparseVector


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """One hybrid search. `limit` bounds each leg and the fused list.

    Tenant and groups are no filter that could be left out: what has an access list is found by members of one of its
    groups only. Without `groups` nothing is found that has one.

    A leg whose vector is empty finds nothing. `within_s`: after so many seconds nobody waits any more, and a store that
    can tell beforehand that it will take longer refuses at once.
    """

    tenant: str
    dense: DenseVector
    sparse: SparseVector
    limit: int
    filters: Filter = ()
    within_s: float | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchHits:
    """Best first. `fused` is reciprocal rank fusion (k = `FUSION_K`) of both legs, done by the store; its passages carry the
    legs' scores too. Ties are broken by chunk id, so that equal searches give equal answers."""

    dense: tuple[Passage, ...]
    sparse: tuple[Passage, ...]
    fused: tuple[Passage, ...]


class Vectors(Remembering, Protocol):
    """All calls raise `UnknownCollection` for a collection that was never opened for writing.

    `docs` names a collection, `docs@3` a version of it; every call takes either, and `docs` stands for the version that
    serves. What makes several calls and wants them to see one version resolves first.

    Writes to one document are ordered so that a crash at any moment leaves its record with the old fingerprint
    (or none): ingesting it again completes it. After `replace_document` returned, the document is durable and searchable.

    What reads takes the caller's `groups` beside its tenant, and treats a document whose access list names none of them as
    if it did not exist. Without groups that is every document with an access list; with `EVERY_GROUP` it is none.
    """

    async def resolve(self, name: str) -> str:
        """The version that serves under this name; a version's name is its own. What others promoted is seen within a
        second, and costs a store that is a server no round trip more often than that.
        """
        ...

    async def recipe(self, version: str) -> Recipe:
        """How the version's points are made; a store that is a server is asked no more often than by `resolve`."""
        ...

    def changes(self, version: str) -> int:
        """How often this process has written to documents of the version since it began; others' writes are not known."""
        ...

    async def ensure_collection(self, name: str, recipe: Recipe, lineage: Lineage = UNTOLD) -> str:
        """The version to write into, as of now. A collection that is missing is made, with this lineage for its first
        version; a version that is missing is not. Raises `StoreMismatch` when it exists with another recipe.
        """
        ...

    async def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of the collection, oldest first; none of a collection that is not there."""
        ...

    async def create_version(self, name: str, recipe: Recipe, lineage: Lineage) -> str:
        """An empty version with the next number, which no version had before; nobody is served from it."""
        ...

    async def serve(self, version: str, *, instead_of: str | None) -> None:
        """Let the collection's name stand for `version`, from one moment to the next; None: it stands for nothing yet.

        Raises `VersionConflict` when the name does not stand for `instead_of` any more, and changes nothing then.
        """
        ...

    async def change_lineage(self, version: str, change: Callable[[Lineage], Lineage]) -> Lineage:
        """Put what `change` makes of the version's lineage in its place, one change after the other; returned as it is now.

        What `change` raises leaves it as it was.
        """
        ...

    async def drop_version(self, version: str) -> None:
        """Delete a version with everything in it. Raises `InvalidRequest` for the one that serves."""
        ...

    async def tenants(self, name: str) -> list[str]:
        """Everyone who has a document in it, in order."""
        ...

    async def counts(self, version: str) -> Counts:
        """What it holds now, over all tenants."""
        ...

    async def collections(self, tenant: str, *, groups: tuple[str, ...] = ()) -> list[CollectionInfo]:
        """All collections that serve, ordered by name, with counts of what this caller sees."""
        ...

    async def drop_collection(self, name: str, tenant: str) -> None:
        """Delete everything this tenant has in it, in all its versions; the collection itself goes with its last document."""
        ...

    async def replace_document(
        self,
        collection: str,
        tenant: str,
        record: DocumentRecord,
        chunks: Sequence[EmbeddedChunk],
        position: StreamPosition | None = None,
    ) -> None:
        """Write the document; whatever an earlier version of it left is gone afterwards, and so is its failure.

        `chunks` is not empty. With a `position`, that takes effect in the very moment in which the record does.
        """
        ...

    async def embedded(self, collection: str, tenant: str, document_id: str) -> tuple[EmbeddedChunk, ...]:
        """The document's chunks in order, with their vectors; none when it is not there."""
        ...

    async def same_content(self, collection: str, viewer: Viewer, content: str) -> str | None:
        """The id of a document with this `content`, None when there is none."""
        ...

    async def update_record(self, collection: str, tenant: str, record: DocumentRecord) -> bool:
        """Write what is remembered of a document whose chunks stay as they are. False when it is not there."""
        ...

    async def delete_document(
        self,
        collection: str,
        tenant: str,
        document_id: str,
        position: StreamPosition | None = None,
        *,
        groups: tuple[str, ...] = (),
    ) -> bool:
        """True when there was one. Its failure is forgotten; with a `position`, that has taken effect then."""
        ...

    async def record(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> DocumentRecord | None:
        """The document's record, None when it is not there."""
        ...

    async def document(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> StoredDocument | None:
        """The document's record and chunks, None when it is not there."""
        ...

    async def documents(
        self, collection: str, tenant: str, *, limit: int, after: str | None = None, groups: tuple[str, ...] = ()
    ) -> DocumentPage:
        """Records ordered by id, those after `after`."""
        ...

    async def search(self, collection: str, query: VectorQuery) -> SearchHits:
        """Both legs and their fusion in one round trip. Raises `UpstreamUnavailable` where the store is a server."""
        ...

    async def chunks(
        self, collection: str, tenant: str, wanted: Sequence[tuple[str, int]], *, groups: tuple[str, ...] = ()
    ) -> list[Chunk]:
        """Those of the wanted documents and ordinals that are there, in no order."""
        ...

    async def values(self, collection: str, viewer: Viewer, field: FilterField, *, limit: int) -> tuple[str, ...]:
        """The field's distinct values among the documents that the viewer may see, in order; the most frequent `limit`.

        Of `path` also the folders above a document, with a slash at their end. Not for fields that have bounds.
        """
        ...

    async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
        """True when some chunk that the viewer may see meets all conditions."""
        ...

    async def optimize(self, collection: str) -> None:
        """Index what was written since; searches stay correct without it, only slower."""
        ...
