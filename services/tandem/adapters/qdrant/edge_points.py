"""Points as the embedded engine takes and gives them."""

from typing import Any

import qdrant_edge as edge

from tandem.adapters.qdrant.payload import DENSE, SPARSE, NewPoint
from tandem.ports.copying import StoredPoint
from tandem.ports.embedder import SparseVector


def edge_point(point: NewPoint) -> Any:
    """A note has no vectors."""
    if point.chunk is None:
        return edge.Point(point.id, {}, point.payload)
    words = edge.SparseVector(list(point.chunk.sparse.indices), list(point.chunk.sparse.values))
    return edge.Point(point.id, {DENSE: list(point.chunk.dense), SPARSE: words}, point.payload)


def stored_of(point: Any) -> StoredPoint:
    """The point as a backup keeps it."""
    if not point.vector:
        return StoredPoint(str(point.id), point.payload)
    words = point.vector[SPARSE]
    sparse = SparseVector(tuple(words.indices), tuple(words.values))
    return StoredPoint(str(point.id), point.payload, point.vector[DENSE], sparse)
