"""`Vectors` in memory: exact search over everything, nothing survives the process."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tandem.adapters.scripted.held import Entry, Held
from tandem.adapters.scripted.noting import Noting
from tandem.adapters.scripted.remembering import Memory
from tandem.adapters.scripted.searching import bm25, dot, holds, ranked, rarity
from tandem.domain.document import Chunk, CollectionInfo, DocumentPage, DocumentRecord, Recipe, StoredDocument
from tandem.domain.errors import InvalidRequest, StoreMismatch, UnknownCollection, VersionConflict
from tandem.domain.filters import Filter, FilterField
from tandem.domain.lineage import UNTOLD, Counts, Lineage, Version, base_of, is_version, told, valid_base, version_named
from tandem.domain.passage import Passage, Scores
from tandem.domain.syncing import DocumentMark, StreamPosition
from tandem.domain.viewer import Viewer
from tandem.ports.vectors import FUSION_K, EmbeddedChunk, SearchHits, VectorQuery


class MemoryVectors(Noting):
    """`ports/vectors.py`. `writes` counts replaced and deleted documents, for tests that ask whether anything was."""

    def __init__(self) -> None:
        self._collections: dict[str, Held] = {}
        self._serving: dict[str, str] = {}
        self._spent: dict[str, int] = {}
        self.writes = 0

    def changes(self, version: str) -> int:
        """Of all versions together: no fewer than there were."""
        del version
        return self.writes

    async def resolve(self, name: str) -> str:
        """Raises `UnknownCollection`."""
        if is_version(name):
            return name
        if name not in self._serving:
            raise UnknownCollection(f"There is no collection {name}.", param="collection")
        return self._serving[name]

    async def recipe(self, version: str) -> Recipe:
        """As it was made with."""
        return self._known(version).recipe

    async def ensure_collection(self, name: str, recipe: Recipe, lineage: Lineage = UNTOLD) -> str:
        """Raises `StoreMismatch`, and `InvalidRequest` for what cannot be a name."""
        if not is_version(name) and name not in self._serving:
            self._serving[name] = await self.create_version(name, recipe, lineage)
        version = await self.resolve(name)
        if self._known(version).recipe != recipe:
            raise StoreMismatch(
                f"The collection {name} was built with another recipe.",
                hint="tandem collections build makes a new one.",
            )
        return version

    async def versions(self, name: str) -> tuple[Version, ...]:
        """Oldest first."""
        found = [(each, one.recipe, one.lineage) for each, one in self._collections.items() if base_of(each) == name]
        return told(found, self._serving.get(name))

    async def create_version(self, name: str, recipe: Recipe, lineage: Lineage) -> str:
        """Raises `InvalidRequest` for what cannot be a name."""
        if not valid_base(name):
            raise InvalidRequest(f"{name[:80]!r} cannot name a collection.", param="collection")
        self._spent[name] = self._spent.get(name, 0) + 1
        version = version_named(name, self._spent[name])
        self._collections[version] = Held(recipe, lineage)
        return version

    async def serve(self, version: str, *, instead_of: str | None) -> None:
        """Raises `VersionConflict`."""
        self._known(version)
        if self._serving.get(base_of(version)) != instead_of:
            raise VersionConflict(f"{instead_of} does not serve any more.", hint="Look again.", param="collection")
        self._serving[base_of(version)] = version

    async def change_lineage(self, version: str, change: Callable[[Lineage], Lineage]) -> Lineage:
        """Changed."""
        held = self._known(version)
        held.lineage = change(held.lineage)
        return held.lineage

    async def drop_version(self, version: str) -> None:
        """Raises `InvalidRequest` for the one that serves."""
        self._known(version)
        if version in self._serving.values():
            raise InvalidRequest(f"{version} serves.", hint="Promote another one first.", param="collection")
        del self._collections[version]

    async def tenants(self, name: str) -> list[str]:
        """In order."""
        return sorted({tenant for tenant, _ in self._known(await self.resolve(name)).documents})

    async def counts(self, version: str) -> Counts:
        """Everybody's."""
        every = self._known(version).documents.values()
        return Counts(len(every), sum(len(entry.chunks) for entry in every))

    async def collections(self, tenant: str, *, groups: tuple[str, ...] = ()) -> list[CollectionInfo]:
        """Ordered by name."""
        return [self._info(name, Viewer(tenant, groups)) for name in sorted(self._serving)]

    async def drop_collection(self, name: str, tenant: str) -> None:
        """Raises `UnknownCollection`."""
        self._known(await self.resolve(name))
        versions = [each for each in self._collections if name in {each, base_of(each)}]
        for known in (self._collections[each] for each in versions):
            for key in [key for key in known.documents if key[0] == tenant]:
                del known.documents[key]
                self.writes += 1
            known.memory.forget_all(tenant)
        if not any(self._collections[each].documents for each in versions):
            if not is_version(name):
                del self._serving[name], self._spent[name]
            for each in versions:
                if is_version(name):
                    await self.drop_version(each)
                else:
                    del self._collections[each]

    async def replace_document(
        self,
        collection: str,
        tenant: str,
        record: DocumentRecord,
        chunks: Sequence[EmbeddedChunk],
        position: StreamPosition | None = None,
    ) -> None:
        """Atomic, as there is no await in it."""
        known = self._known(collection)
        known.documents[tenant, record.id] = Entry(record, tuple(chunks))
        known.memory.forget(tenant, record.id)
        known.memory.reach(tenant, position)
        self.writes += 1

    async def embedded(self, collection: str, tenant: str, document_id: str) -> tuple[EmbeddedChunk, ...]:
        """As they were put."""
        entry = self._known(collection).documents.get((tenant, document_id))
        return () if entry is None else entry.chunks

    async def same_content(self, collection: str, viewer: Viewer, content: str) -> str | None:
        """The first by id."""
        seen = self._seen(collection, viewer).items()
        return min((id_ for id_, one in seen if one.record.content == content), default=None)

    async def marks(self, collection: str, viewer: Viewer) -> list[DocumentMark]:
        """One per document."""
        every = [one.record for (owner, _), one in self._known(collection).documents.items() if owner == viewer.tenant]
        records = [one for one in every if viewer.sees(one.acl)]
        return [DocumentMark(one.id, one.source, one.chunks, one.origin, one.source_version) for one in records]

    async def update_record(self, collection: str, tenant: str, record: DocumentRecord) -> bool:
        """False when it is not there."""
        documents = self._known(collection).documents
        entry = documents.get((tenant, record.id))
        if entry is None:
            return False
        documents[tenant, record.id] = Entry(record, entry.chunks)
        self.writes += 1
        return True

    async def delete_document(
        self,
        collection: str,
        tenant: str,
        document_id: str,
        position: StreamPosition | None = None,
        *,
        groups: tuple[str, ...] = (),
    ) -> bool:
        """True when there was one."""
        known = self._known(collection)
        hidden = known.documents.get((tenant, document_id))
        if hidden is not None and not Viewer(tenant, groups).sees(hidden.record.acl):
            return False
        gone = known.documents.pop((tenant, document_id), None)
        known.memory.forget(tenant, document_id, groups)
        known.memory.reach(tenant, position)
        self.writes += gone is not None
        return gone is not None

    async def record(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> DocumentRecord | None:
        """None when it is not there."""
        entry = self._seen(collection, Viewer(tenant, groups)).get(document_id)
        return entry.record if entry is not None else None

    async def document(
        self, collection: str, tenant: str, document_id: str, *, groups: tuple[str, ...] = ()
    ) -> StoredDocument | None:
        """None when it is not there."""
        entry = self._seen(collection, Viewer(tenant, groups)).get(document_id)
        return None if entry is None else StoredDocument(entry.record, tuple(each.chunk for each in entry.chunks))

    async def documents(
        self, collection: str, tenant: str, *, limit: int, after: str | None = None, groups: tuple[str, ...] = ()
    ) -> DocumentPage:
        """Ordered by id."""
        documents = self._seen(collection, Viewer(tenant, groups))
        rest = [id_ for id_ in sorted(documents) if after is None or id_ > after]
        page = tuple(documents[id_].record for id_ in rest[:limit])
        return DocumentPage(page, page[-1].id if page and len(rest) > limit else None)

    async def search(self, collection: str, query: VectorQuery) -> SearchHits:
        """Cosine, and term weights times their IDF, fused by reciprocal rank."""
        found = {each.chunk.id: (entry.record, each) for entry, each in self._matching(collection, query)}
        rare = rarity(each for _, each in found.values())
        dense = {id_: dot(each.dense, query.dense) for id_, (_, each) in found.items()} if query.dense else {}
        sparse = {
            id_: score for id_, (_, each) in found.items() if (score := bm25(each.sparse, query.sparse, rare)) > 0
        }
        legs = ranked(dense, query.limit), ranked(sparse, query.limit)
        fused: Counter[str] = Counter()
        for leg in legs:
            fused.update({id_: 1 / (FUSION_K + rank) for rank, id_ in enumerate(leg)})
        best = ranked(dict(fused), query.limit)

        def passages(ids: Sequence[str]) -> tuple[Passage, ...]:
            return tuple(
                Passage(
                    chunk=found[id_][1].chunk,
                    title=found[id_][0].title,
                    source=found[id_][0].source,
                    scores=Scores(
                        dense=dense[id_] if id_ in legs[0] else None,
                        sparse=sparse[id_] if id_ in legs[1] else None,
                        fused=fused[id_] if id_ in best else None,
                    ),
                )
                for id_ in ids
            )

        return SearchHits(passages(legs[0]), passages(legs[1]), passages(best))

    async def chunks(
        self, collection: str, tenant: str, wanted: Sequence[tuple[str, int]], *, groups: tuple[str, ...] = ()
    ) -> list[Chunk]:
        """Those that are there."""
        entries = self._seen(collection, Viewer(tenant, groups))
        places = set(wanted)
        found = (each.chunk for id_ in {id_ for id_, _ in places} & entries.keys() for each in entries[id_].chunks)
        return [chunk for chunk in found if (chunk.document_id, chunk.ordinal) in places]

    async def values(self, collection: str, viewer: Viewer, field: FilterField, *, limit: int) -> tuple[str, ...]:
        """In order."""
        found: set[str] = set()
        for entry in self._seen(collection, viewer).values():
            value = getattr(entry.record, "id" if field == "document_id" else field)
            found.update(value if isinstance(value, tuple) else () if value is None else (value,))
            if field == "path":
                parts = (value or "").split("/")[:-1]
                found.update("/".join(parts[:count]) + "/" for count in range(1, len(parts) + 1))
        return tuple(sorted(found)[:limit])

    async def holds(self, collection: str, viewer: Viewer, filters: Filter) -> bool:
        """As a search would find it."""
        every = self._seen(collection, viewer).values()
        return any(
            all(holds(entry.record, each.chunk, condition) for condition in filters)
            for entry in every
            for each in entry.chunks
        )

    async def optimize(self, collection: str) -> None:
        """Nothing to index."""
        self._known(collection)

    def _known(self, name: str) -> Held:
        try:
            return self._collections[self._serving.get(name, name)]
        except KeyError:
            raise UnknownCollection(f"There is no collection {name}.", param="collection") from None

    def _memory(self, collection: str) -> Memory:
        return self._known(collection).memory

    def _seen(self, collection: str, viewer: Viewer) -> dict[str, Entry]:
        """By id what the viewer may see."""
        every = self._known(collection).documents.items()
        return {id_: entry for (owner, id_), entry in every if owner == viewer.tenant and viewer.sees(entry.record.acl)}

    def _info(self, name: str, viewer: Viewer) -> CollectionInfo:
        known = self._known(name)
        mine = self._seen(name, viewer).values()
        chunks = sum(len(entry.chunks) for entry in mine)
        return CollectionInfo(name, len(mine), chunks, known.recipe, version=self._serving[name])

    def _matching(self, collection: str, query: VectorQuery) -> Iterator[tuple[Entry, EmbeddedChunk]]:
        for entry in self._seen(collection, Viewer(query.tenant, query.groups)).values():
            for each in entry.chunks:
                if all(holds(entry.record, each.chunk, condition) for condition in query.filters):
                    yield entry, each
