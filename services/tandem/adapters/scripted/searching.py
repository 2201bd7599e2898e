"""How well a chunk answers a query, and whether it meets conditions, reckoned over everything there is."""

import math
from collections import Counter
from collections.abc import Iterable
from operator import mul

from tandem.domain.document import Chunk, DocumentRecord
from tandem.domain.filters import Condition
from tandem.ports.embedder import DenseVector, SparseVector
from tandem.ports.vectors import EmbeddedChunk


def ranked(scores: dict[str, float], limit: int) -> list[str]:
    """The best `limit`, ties by id."""
    return sorted(scores, key=lambda id_: (-scores[id_], id_))[:limit]


def dot(left: DenseVector, right: DenseVector) -> float:
    """The cosine of vectors of unit length."""
    return float(sum(map(mul, left, right)))


def rarity(chunks: Iterable[EmbeddedChunk]) -> dict[int, float]:
    """Inverse document frequency, by term."""
    every = list(chunks)
    seen = Counter(index for each in every for index in each.sparse.indices)
    return {index: math.log(1 + (len(every) - count + 0.5) / (count + 0.5)) for index, count in seen.items()}


def bm25(document: SparseVector, query: SparseVector, rare: dict[int, float]) -> float:
    """Term weights times their rarity."""
    weights = dict(zip(document.indices, document.values, strict=True))
    wanted = zip(query.indices, query.values, strict=True)
    return sum(weights[index] * value * rare[index] for index, value in wanted if index in weights)


def holds(record: DocumentRecord, chunk: Chunk, condition: Condition) -> bool:
    """True when the chunk meets the condition."""
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
