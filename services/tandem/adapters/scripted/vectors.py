"""`Vectors` in memory: exact search over everything, nothing survives the process."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import mul

from tandem.domain.document import Chunk, CollectionInfo, DocumentPage, DocumentRecord, Recipe, StoredDocument
from tandem.domain.errors import InvalidRequest, StoreMismatch, UnknownCollection
from tandem.domain.filters import Condition
from tandem.domain.passage import Passage, Scores
from tandem.ports.embedder import DenseVector, SparseVector
from tandem.ports.vectors import EmbeddedChunk, SearchHits, VectorQuery

# As strict as the stores that make folders of names.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_RRF_K = 60

_Key = tuple[str, str]


@dataclass(slots=True)
class _Entry:
    record: DocumentRecord
    chunks: tuple[EmbeddedChunk, ...]


@dataclass(slots=True)
class _Collection:
    recipe: Recipe
    documents: dict[_Key, _Entry] = field(default_factory=dict)


class MemoryVectors:
    """`ports/vectors.py`. `writes` counts replaced and deleted documents, for tests that ask whether anything was."""

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}
        self.writes = 0

    async def ensure_collection(self, name: str, recipe: Recipe) -> None:
        """Raises `StoreMismatch`, and `InvalidRequest` for what cannot be a name."""
        if _NAME.fullmatch(name) is None:
            raise InvalidRequest(f"{name[:80]!r} cannot name a collection.", param="collection")
        known = self._collections.setdefault(name, _Collection(recipe))
        if known.recipe != recipe:
            raise StoreMismatch(
                f"The collection {name} was built with another recipe.", hint="Drop it, or use another."
            )

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """Ordered by name."""
        return [self._info(name, tenant) for name in sorted(self._collections)]

    async def drop_collection(self, name: str, tenant: str) -> None:
        """Raises `UnknownCollection`."""
        documents = self._known(name).documents
        for key in [key for key in documents if key[0] == tenant]:
            del documents[key]
        if not documents:
            del self._collections[name]

    async def replace_document(
        self, collection: str, tenant: str, record: DocumentRecord, chunks: Sequence[EmbeddedChunk]
    ) -> None:
        """Atomic, as there is no await in it."""
        self._known(collection).documents[tenant, record.id] = _Entry(record, tuple(chunks))
        self.writes += 1

    async def update_record(self, collection: str, tenant: str, record: DocumentRecord) -> bool:
        """False when it is not there."""
        documents = self._known(collection).documents
        entry = documents.get((tenant, record.id))
        if entry is None:
            return False
        documents[tenant, record.id] = _Entry(record, entry.chunks)
        self.writes += 1
        return True

    async def delete_document(self, collection: str, tenant: str, document_id: str) -> bool:
        """True when there was one."""
        gone = self._known(collection).documents.pop((tenant, document_id), None)
        self.writes += gone is not None
        return gone is not None

    async def record(self, collection: str, tenant: str, document_id: str) -> DocumentRecord | None:
        """None when it is not there."""
        entry = self._known(collection).documents.get((tenant, document_id))
        return entry.record if entry is not None else None

    async def document(self, collection: str, tenant: str, document_id: str) -> StoredDocument | None:
        """None when it is not there."""
        entry = self._known(collection).documents.get((tenant, document_id))
        return None if entry is None else StoredDocument(entry.record, tuple(each.chunk for each in entry.chunks))

    async def documents(self, collection: str, tenant: str, *, limit: int, after: str | None = None) -> DocumentPage:
        """Ordered by id."""
        ids = sorted(id_ for owner, id_ in self._known(collection).documents if owner == tenant)
        rest = [id_ for id_ in ids if after is None or id_ > after]
        documents = self._known(collection).documents
        page = tuple(documents[tenant, id_].record for id_ in rest[:limit])
        return DocumentPage(page, page[-1].id if page and len(rest) > limit else None)

    async def search(self, collection: str, query: VectorQuery) -> SearchHits:
        """Cosine, and term weights times their IDF, fused by reciprocal rank."""
        found = {each.chunk.id: (entry.record, each) for entry, each in self._matching(collection, query)}
        rarity = _rarity(each for _, each in found.values())
        dense = {id_: _dot(each.dense, query.dense) for id_, (_, each) in found.items()} if query.dense else {}
        sparse = {
            id_: score for id_, (_, each) in found.items() if (score := _bm25(each.sparse, query.sparse, rarity)) > 0
        }
        legs = _ranked(dense, query.limit), _ranked(sparse, query.limit)
        fused: Counter[str] = Counter()
        for leg in legs:
            fused.update({id_: 1 / (_RRF_K + rank) for rank, id_ in enumerate(leg)})
        best = _ranked(dict(fused), query.limit)

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

    async def optimize(self, collection: str) -> None:
        """Nothing to index."""
        self._known(collection)

    def _known(self, name: str) -> _Collection:
        try:
            return self._collections[name]
        except KeyError:
            raise UnknownCollection(f"There is no collection {name}.", param="collection") from None

    def _info(self, name: str, tenant: str) -> CollectionInfo:
        known = self._collections[name]
        mine = [entry for (owner, _), entry in known.documents.items() if owner == tenant]
        return CollectionInfo(name, len(mine), sum(len(entry.chunks) for entry in mine), known.recipe)

    def _matching(self, collection: str, query: VectorQuery) -> Iterator[tuple[_Entry, EmbeddedChunk]]:
        for (owner, _), entry in self._known(collection).documents.items():
            if owner == query.tenant:
                for each in entry.chunks:
                    if all(_holds(entry.record, each.chunk, condition) for condition in query.filters):
                        yield entry, each


def _ranked(scores: dict[str, float], limit: int) -> list[str]:
    return sorted(scores, key=lambda id_: (-scores[id_], id_))[:limit]


def _dot(left: DenseVector, right: DenseVector) -> float:
    return float(sum(map(mul, left, right)))


def _rarity(chunks: Iterable[EmbeddedChunk]) -> dict[int, float]:
    every = list(chunks)
    seen = Counter(index for each in every for index in each.sparse.indices)
    return {index: math.log(1 + (len(every) - count + 0.5) / (count + 0.5)) for index, count in seen.items()}


def _bm25(document: SparseVector, query: SparseVector, rarity: dict[int, float]) -> float:
    weights = dict(zip(document.indices, document.values, strict=True))
    wanted = zip(query.indices, query.values, strict=True)
    return sum(weights[index] * value * rarity[index] for index, value in wanted if index in weights)


def _holds(record: DocumentRecord, chunk: Chunk, condition: Condition) -> bool:
    if condition.field == "path":
        return record.path is not None and any(_lies_in(record.path, each) for each in condition.any_of)
    name = "id" if condition.field == "document_id" else condition.field
    value = chunk.page if name == "page" else getattr(record, name)
    if condition.any_of:
        return bool(set(condition.any_of) & set(value if isinstance(value, tuple) else (value,)))
    low, high = condition.at_least, condition.at_most
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _lies_in(path: str, wanted: str) -> bool:
    return path.startswith(wanted) if wanted.endswith("/") else path == wanted
