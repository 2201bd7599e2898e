"""Points, conditions and hits, in the models of qdrant-client."""

from typing import Any, cast

from qdrant_client import models

from tandem.adapters.qdrant.conditions import Clause, OneOf, OpenTo, Where
from tandem.adapters.qdrant.payload import DENSE, SPARSE, Hit, NewPoint, Payload
from tandem.ports.copying import StoredPoint
from tandem.ports.embedder import DenseVector, SparseVector


def point_model(point: NewPoint) -> models.PointStruct:
    """A note has no vectors."""
    if point.chunk is None:
        return models.PointStruct(id=point.id, vector={}, payload=point.payload)
    vectors: dict[str, Any] = {DENSE: list(point.chunk.dense), SPARSE: words_model(point.chunk.sparse)}
    return models.PointStruct(id=point.id, vector=vectors, payload=point.payload)


def embedded_of(point: models.Record) -> tuple[Payload, DenseVector, SparseVector]:
    """Payload and both vectors of a chunk's point."""
    vectors = cast("dict[str, Any]", point.vector)
    words: models.SparseVector = vectors[SPARSE]
    return point.payload or {}, vectors[DENSE], SparseVector(tuple(words.indices), tuple(words.values))


def stored_of(point: models.Record) -> StoredPoint:
    """The point as a backup keeps it."""
    if not point.vector:
        return StoredPoint(str(point.id), point.payload or {})
    payload, dense, sparse = embedded_of(point)
    return StoredPoint(str(point.id), payload, dense, sparse)


def words_model(sparse: SparseVector) -> models.SparseVector:
    """Weights of words."""
    return models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))


def filter_model(where: Where) -> models.Filter:
    """All of the conditions."""
    return models.Filter(must=[_condition(clause) for clause in where.must])


def hits_of(response: models.QueryResponse) -> list[Hit]:
    """As the server ranked them."""
    return [Hit(str(point.id), float(point.score), point.payload) for point in response.points]


def _condition(clause: Clause) -> models.Condition:
    if isinstance(clause, OpenTo):
        return _open_to(clause)
    if isinstance(clause, OneOf):
        return models.FieldCondition(key=clause.key, match=models.MatchAny(any=cast("list[str]", list(clause.values))))
    return models.FieldCondition(key=clause.key, range=models.Range(gte=clause.at_least, lte=clause.at_most))


def _open_to(clause: OpenTo) -> models.Condition:
    nobody_s = models.IsEmptyCondition(is_empty=models.PayloadField(key=clause.key))
    if not clause.groups:
        return nobody_s
    shared = models.FieldCondition(key=clause.key, match=models.MatchAny(any=list(clause.groups)))
    return models.Filter(should=[nobody_s, shared])
