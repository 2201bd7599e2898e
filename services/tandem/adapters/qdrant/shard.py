"""One embedded shard: our words to the engine's types and back. Every call blocks."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import qdrant_edge as edge

from tandem.adapters.qdrant.conditions import Clause, OneOf, OpenTo, Values, Where
from tandem.adapters.qdrant.edge_points import edge_point, stored_of
from tandem.adapters.qdrant.engine import Legs
from tandem.adapters.qdrant.payload import (
    ACL,
    DENSE,
    FLOAT_FIELDS,
    INTEGER_FIELDS,
    KEYWORD_FIELDS,
    SPARSE,
    TENANT,
    Hit,
    NewPoint,
    Payload,
    PointId,
)
from tandem.domain.errors import StoreBusy, StoreFull, TandemError, UpstreamFailed
from tandem.ports.copying import StoredPoint
from tandem.ports.embedder import DenseVector, SparseVector
from tandem.ports.vectors import FUSION_K

# The engine maps its files into memory: a disk that fills up would end the process by SIGBUS. So a write is refused
# while there is still room for what the engine sets aside (a log segment and a page of vectors, 32 MB each).
_HEADROOM_BYTES = 96 * 1024 * 1024
_PAGE = 1_000
# No HNSW graph: the codes below make a scan of 100,000 vectors as cheap as a graph, and building one takes minutes
# during which the engine lets no Python thread run.
_NEVER_KB = 1_000_000_000
# Rewriting a segment stops every Python thread too, 80 µs a point. A larger store keeps the space of what was deleted;
# its searches pass over that.
_MOST_REWRITTEN = 20_000
# Vectors are compared by 4-bit codes, and twice as many as wanted then by their floats: all of the exact nearest
# neighbours were found so, at a fifth of the cost.
_RESCORED = edge.SearchParams(quantization=edge.QuantizationSearchParams(rescore=True, oversampling=2.0))

BUSY_HINT = "Stop the other process, or talk to it: `--url http://127.0.0.1:8000`."


class Shard:
    """A collection's points. Reads may run side by side; writes come from one thread at a time."""

    def __init__(self, path: Path, shard: Any, tenants: set[str], *, restricted: bool) -> None:
        self._path = path
        self._shard = shard
        # Everyone who ever had a chunk here, and whether one ever had an access list, before it is written; this process
        # alone writes.
        self._tenants = tenants
        self._restricted = restricted

    def flush(self) -> None:
        """What was written is durable when it returns."""
        with _translated(self._path):
            self._shard.flush()

    def upsert(self, points: Sequence[NewPoint]) -> None:
        """One entry of the engine's log: all or nothing, and durable with the next flush."""
        _require_room(self._path)
        self._tenants.update(point.payload[TENANT] for point in points if point.chunk is not None)
        self._restricted = self._restricted or any(point.payload.get(ACL) for point in points)
        with _translated(self._path):
            self._shard.update(edge.UpdateOperation.upsert_points([edge_point(point) for point in points]))

    def set_payload(self, where: Where, payload: Payload) -> None:
        """One entry of the engine's log: all or nothing."""
        _require_room(self._path)
        self._restricted = self._restricted or bool(payload.get(ACL))
        with _translated(self._path):
            self._shard.update(edge.UpdateOperation.set_payload_by_filter(_filter(where), dict(payload)))

    def delete(self, where: Where) -> None:
        """One entry of the engine's log: all or nothing."""
        _require_room(self._path, _HEADROOM_BYTES // 4)
        with _translated(self._path):
            self._shard.update(edge.UpdateOperation.delete_points_by_filter(_filter(where)))

    def retrieve(self, ids: Sequence[str]) -> list[Payload]:
        """The payloads of those that exist."""
        with _translated(self._path):
            found = self._shard.retrieve(list(ids), with_payload=True, with_vector=False)
        return [point.payload for point in found]

    def scroll(self, where: Where, only: Sequence[str] = ()) -> list[Payload]:
        """The payloads of all that match, or some of their fields."""
        return [point.payload for point in self._points(where, with_payload=list(only) or True)]

    def embedded(self, where: Where) -> list[tuple[Payload, DenseVector, SparseVector]]:
        """The same with their vectors."""
        return [
            (
                point.payload,
                point.vector[DENSE],
                SparseVector(tuple(point.vector[SPARSE].indices), tuple(point.vector[SPARSE].values)),
            )
            for point in self._points(where, with_payload=True, with_vector=True)
        ]

    def _points(self, where: Where, **wanted: Any) -> Iterator[Any]:
        offset: Any = None
        while True:
            request = edge.ScrollRequest(offset=offset, limit=_PAGE, filter=_filter(where), **wanted)
            with _translated(self._path):
                found, offset = self._shard.scroll(request)
            yield from found
            if offset is None:
                return

    def page(
        self, where: Where, limit: int, after: str | None, *, only: Sequence[str], vectors: bool
    ) -> tuple[list[StoredPoint], str | None]:
        """Points as a backup keeps them, and where the next page begins."""
        request = edge.ScrollRequest(
            offset=after, limit=limit, filter=_filter(where), with_payload=list(only) or True, with_vector=vectors
        )
        with _translated(self._path):
            found, following = self._shard.scroll(request)
        return [stored_of(point) for point in found], None if following is None else str(following)

    def values(self, key: str, where: Where, limit: int | None = None) -> list[str]:
        """Distinct values of a keyword field."""
        most = limit or max(1, self.count(where))
        with _translated(self._path):
            response = self._shard.facet(edge.FacetRequest(key=key, limit=most, exact=True, filter=_filter(where)))
        return [str(hit.value) for hit in response.hits]

    def count(self, where: Where) -> int:
        """How many match, exactly."""
        with _translated(self._path):
            return int(self._shard.count(edge.CountRequest(exact=True, filter=_filter(where))))

    def query(self, dense: DenseVector, sparse: SparseVector, where: Where, limit: int) -> Legs:
        """Both legs in one pass, then their fusion over what they found.

        Asked for at once, the engine would run each leg twice.
        """
        chosen = self._selective(where)
        nearest = {DENSE: edge.Query.Nearest(list(dense), using=DENSE)} if dense else {}
        if sparse.indices:
            words = edge.SparseVector(list(sparse.indices), list(sparse.values))
            nearest[SPARSE] = edge.Query.Nearest(words, using=SPARSE)
        if not nearest:
            return Legs([], [], [])
        asked = [
            edge.QueryRequest(query=each, filter=chosen, limit=limit, params=_RESCORED) for each in nearest.values()
        ]
        with _translated(self._path):
            found = [_scored(leg) for leg in self._shard.query_batch(edge.QueryBatchRequest(asked))]
            fused = self._fused(list(nearest.values()), [set(leg) for leg in found], limit)
            stored = self._shard.retrieve(
                list({each for leg in found for each in leg}), with_payload=True, with_vector=False
            )
        payloads = {point.id: point.payload for point in stored}
        hits = ([Hit(each, score, payloads.get(each)) for each, score in leg.items()] for leg in found)
        legs = dict(zip(nearest, hits, strict=True))
        return Legs(
            dense=legs.get(DENSE, []),
            sparse=legs.get(SPARSE, []),
            fused=[Hit(each, score, None) for each, score in fused.items()],
        )

    def _selective(self, where: Where) -> Any:
        """The filter; without the tenant's clause where the shard holds nobody else's chunks, and without that of the
        access lists where it holds none.

        They would be true of every point, and checking that is half the cost of a search. Who is found is checked again
        on the way out.
        """
        vacuous = OneOf(TENANT, tuple(self._tenants)) if len(self._tenants) == 1 else None
        clauses = tuple(
            clause
            for clause in where.must
            if clause != vacuous and (self._restricted or not isinstance(clause, OpenTo))
        )
        return _filter(Where(clauses)) if clauses else None

    def _fused(self, nearest: list[Any], found: list[set[Any]], limit: int) -> dict[PointId, float]:
        if not any(found):
            return {}
        legs = [
            edge.Prefetch(
                query=query, filter=edge.Filter(must=[edge.HasIdCondition(ids)]), limit=limit, params=_RESCORED
            )
            for query, ids in zip(nearest, found, strict=True)
        ]
        fusion = edge.QueryRequest(prefetches=legs, query=cast("edge.Fusion", edge.Fusion.Rrf(k=FUSION_K)), limit=limit)
        return _scored(self._shard.query(fusion))

    def optimize(self) -> None:
        """Take back the space of deleted chunks, where there are enough of them for the engine to see fit."""
        with _translated(self._path):
            if self._shard.info().points_count <= _MOST_REWRITTEN:
                self._shard.optimize()

    def close(self) -> None:
        """Flush and let go of the files."""
        with _translated(self._path):
            self._shard.close()


def create_shard(path: Path, dimensions: int) -> Shard:
    """An empty shard at a path that must not exist, with an index on every field that filters use."""
    path.mkdir()
    _require_room(path)
    codes = edge.TurboQuantQuantizationConfig(bits=edge.TurboQuantBitSize.Bits4, memory=edge.Memory.Pinned)
    config = edge.EdgeConfig(
        vectors={
            DENSE: edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Cosine, quantization_config=codes)
        },
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER_KB),
    )
    with _translated(path):
        shard = edge.EdgeShard.create(str(path), config)
        _index(shard)
    return Shard(path, shard, set(), restricted=False)


def load_shard(path: Path) -> Shard:
    """The shard at `path`, after whatever ended the process that wrote it. Raises `StoreBusy`."""
    with _translated(path):
        shard = edge.EdgeShard.load(str(path))
        _index(shard)
        tenants = shard.facet(edge.FacetRequest(key=TENANT, limit=_PAGE, exact=True))
        restricted = shard.facet(edge.FacetRequest(key=ACL, limit=1, exact=True))
    return Shard(path, shard, {str(hit.value) for hit in tenants.hits}, restricted=bool(restricted.hits))


def _index(shard: Any) -> None:
    """Those that are not there yet: all of a new shard, some of one that an earlier release wrote."""
    there = shard.info().payload_schema
    missing = [(field, schema) for field, schema in _indexes() if field not in there]
    for field, schema in missing:
        shard.update(edge.UpdateOperation.create_field_index(field, schema))
    if missing:
        shard.flush()


def _indexes() -> Iterator[tuple[str, Any]]:
    yield TENANT, edge.KeywordIndexParams(is_tenant=True)
    yield from ((field, edge.PayloadSchemaType.Keyword) for field in KEYWORD_FIELDS)
    yield from ((field, edge.PayloadSchemaType.Integer) for field in INTEGER_FIELDS)
    yield from ((field, edge.PayloadSchemaType.Float) for field in FLOAT_FIELDS)


def _filter(where: Where) -> Any:
    return edge.Filter(must=[_condition(clause) for clause in where.must])


def _condition(clause: Clause) -> Any:
    if isinstance(clause, OneOf):
        return edge.FieldCondition(clause.key, match=_match(clause.values))
    if isinstance(clause, OpenTo):
        return _open_to(clause)
    return edge.FieldCondition(clause.key, range=edge.RangeFloat(gte=clause.at_least, lte=clause.at_most))


def _open_to(clause: OpenTo) -> Any:
    nobody_s = edge.IsEmptyCondition(clause.key)
    if not clause.groups:
        return nobody_s
    return edge.Filter(should=[nobody_s, edge.FieldCondition(clause.key, match=_match(clause.groups))])


def _match(values: Values) -> Any:
    # Any-of-one costs a search over 100,000 points twice the time.
    return edge.MatchValue(values[0]) if len(values) == 1 else edge.MatchAny(cast("list[str]", list(values)))


def _scored(points: Sequence[Any]) -> dict[PointId, float]:
    return {point.id: point.score for point in points}


def _require_room(path: Path, needed: int = _HEADROOM_BYTES) -> None:
    free = shutil.disk_usage(path).free
    if free < needed:
        raise StoreFull(
            f"Only {free // 2**20} MB are left where the vector store lives ({path.parent}).",
            hint=f"Free some space: {needed // 2**20} MB must be left for the store to write safely.",
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (MemoryError, TypeError):
        raise
    except Exception as error:  # the engine raises nothing more specific
        raise _translation(path, str(error)) from error


def _translation(path: Path, message: str) -> TandemError:
    if "WouldBlock" in message:
        return StoreBusy(f"Another process holds the vector store in {path.parent}.", hint=BUSY_HINT)
    if any(sign in message for sign in ("No space left", "os error 28", "File too large", "os error 27")):
        return StoreFull(f"No space is left where the vector store lives ({path.parent}).", hint="Free some space.")
    return UpstreamFailed(f"The embedded vector store failed: {message}")
