"""A Qdrant server (1.16 or newer), over REST or gRPC, through qdrant-client."""

import math
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, cast

from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models

from tandem.adapters.qdrant.conditions import Clause, OneOf, Where
from tandem.adapters.qdrant.engine import Legs
from tandem.adapters.qdrant.payload import (
    DENSE,
    FLOAT_FIELDS,
    INTEGER_FIELDS,
    KEYWORD_FIELDS,
    SPARSE,
    TENANT,
    Hit,
    NewPoint,
    Payload,
)
from tandem.adapters.qdrant.ranking import RRF_K
from tandem.adapters.qdrant.recipes import RecipeWire
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.adapters.qdrant.translation import translated
from tandem.domain.document import Recipe
from tandem.domain.errors import ConfigurationError, StoreMismatch
from tandem.ports.embedder import DenseVector, SparseVector

# qdrant-client's own engine in this process, for tests and first tries.
IN_MEMORY = ":memory:"
# The recipe's key in a collection's metadata.
_RECIPE = "tandem"
_PAGE = 1_000


class ServerEngine:
    """Every call is one round trip, unless it pages. See `Engine`."""

    def __init__(self, client: AsyncQdrantClient, *, indexed: bool) -> None:
        self._client = client
        self._indexed = indexed

    async def names(self) -> list[str]:
        """Collections of this server that hold a recipe; it may serve others too."""
        async with translated():
            found = [each.name for each in (await self._client.get_collections()).collections]
            return [name for name in found if await self._metadata(name) is not None]

    async def recipe(self, name: str) -> Recipe:
        """From the collection's metadata. Raises `StoreMismatch` for a collection of someone else."""
        async with translated(name):
            stored = await self._metadata(name)
        try:
            return RecipeWire.model_validate(stored).recipe()
        except ValidationError as error:
            raise StoreMismatch(
                f"The collection {name} on the Qdrant server was not made by Tandem.",
                hint="Use another name, or delete that collection.",
                param="collection",
            ) from error

    async def _metadata(self, name: str) -> object:
        return ((await self._client.get_collection(name)).config.metadata or {}).get(_RECIPE)

    async def create(self, name: str, recipe: Recipe) -> None:
        """See `Engine`. Raises `ConfigurationError` when the server is too old to keep the recipe."""
        async with translated(name):
            await self._client.create_collection(
                name,
                vectors_config={DENSE: models.VectorParams(size=recipe.dimensions, distance=models.Distance.COSINE)},
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                metadata={_RECIPE: asdict(recipe)},
            )
            kept = await self._metadata(name)
            if kept is None:
                await self._client.delete_collection(name)
                raise ConfigurationError(
                    "The Qdrant server is too old: it keeps no metadata of a collection.",
                    hint="Run Qdrant 1.16 or newer.",
                )
            await self._create_indexes(name)

    async def _create_indexes(self, name: str) -> None:
        """Without one on the tenant, each filtered search costs the server ten times as much."""
        if not self._indexed:
            return
        schemas: dict[str, Any] = {
            TENANT: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        }
        schemas |= dict.fromkeys(KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD)
        schemas |= dict.fromkeys(INTEGER_FIELDS, models.PayloadSchemaType.INTEGER)
        schemas |= dict.fromkeys(FLOAT_FIELDS, models.PayloadSchemaType.FLOAT)
        for field, schema in schemas.items():
            await self._client.create_payload_index(name, field, schema, wait=True)

    async def drop(self, name: str) -> None:
        """See `Engine`."""
        await self.recipe(name)
        async with translated(name):
            await self._client.delete_collection(name)

    async def upsert(self, name: str, points: Sequence[NewPoint]) -> None:
        """See `Engine`."""
        async with translated(name):
            await self._client.upsert(name, [_point(point) for point in points], wait=True)

    async def delete(self, name: str, where: Where) -> None:
        """See `Engine`."""
        async with translated(name):
            await self._client.delete(name, models.FilterSelector(filter=_filter(where)), wait=True)

    async def retrieve(self, name: str, ids: Sequence[str]) -> list[Payload]:
        """See `Engine`."""
        async with translated(name):
            found = await self._client.retrieve(name, list(ids), with_payload=True, with_vectors=False)
        return [point.payload or {} for point in found]

    async def scroll(self, name: str, where: Where) -> list[Payload]:
        """See `Engine`."""
        payloads: list[Payload] = []
        offset: Any = None
        while True:
            async with translated(name):
                found, offset = await self._client.scroll(
                    name, scroll_filter=_filter(where), limit=_PAGE, offset=offset, with_payload=True
                )
            payloads += [point.payload or {} for point in found]
            if offset is None:
                return payloads

    async def values(self, name: str, key: str, where: Where) -> list[str]:
        """See `Engine`."""
        limit = max(1, await self.count(name, where))
        async with translated(name):
            response = await self._client.facet(name, key, facet_filter=_filter(where), limit=limit, exact=True)
        return [str(hit.value) for hit in response.hits]

    async def count(self, name: str, where: Where) -> int:
        """See `Engine`."""
        async with translated(name):
            return (await self._client.count(name, count_filter=_filter(where), exact=True)).count

    async def query(self, name: str, dense: DenseVector, sparse: SparseVector, where: Where, limit: int) -> Legs:
        """See `Engine`."""
        chosen = _filter(where)
        vectors: dict[str, Any] = {DENSE: list(dense), SPARSE: _words(sparse) if sparse.indices else None}
        nearest = [(using, each) for using, each in vectors.items() if each]
        legs = [
            models.QueryRequest(query=each, using=using, filter=chosen, limit=limit, with_payload=True)
            for using, each in nearest
        ]
        if not legs:
            await self.recipe(name)
            return Legs([], [], [])
        fused = models.QueryRequest(
            prefetch=[models.Prefetch(query=each, using=using, filter=chosen, limit=limit) for using, each in nearest],
            query=models.RrfQuery(rrf=models.Rrf(k=RRF_K)),
            limit=limit,
        )
        async with translated(name):
            *hits, best = [_hits(each) for each in await self._client.query_batch_points(name, [*legs, fused])]
        found = dict(zip((using for using, _ in nearest), hits, strict=True))
        return Legs(dense=found.get(DENSE, []), sparse=found.get(SPARSE, []), fused=best)

    async def optimize(self, name: str) -> None:
        """A server indexes by itself."""
        await self.recipe(name)


@asynccontextmanager
async def qdrant_vectors(
    url: str, *, api_key: str | None = None, grpc_port: int | None = None, timeout_s: float = 10.0
) -> AsyncIterator[QdrantVectors]:
    """The store on the server at `url`; connects when first used. gRPC costs the client a third of REST's CPU."""
    in_memory = url == IN_MEMORY
    with warnings.catch_warnings():
        # A key over plain HTTP is the operator's choice inside a cluster, and said in the documentation.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        client = AsyncQdrantClient(
            location=IN_MEMORY if in_memory else None,
            url=None if in_memory else url,
            api_key=api_key,
            prefer_grpc=grpc_port is not None,
            grpc_port=grpc_port or 6334,
            timeout=math.ceil(timeout_s),
            # It would warn about every server more than one minor version away; what is used here is settled API.
            check_compatibility=False,
        )
    try:
        yield QdrantVectors(ServerEngine(client, indexed=not in_memory))
    finally:
        await client.close()


def _point(point: NewPoint) -> models.PointStruct:
    vectors: dict[str, Any] = {DENSE: list(point.chunk.dense), SPARSE: _words(point.chunk.sparse)}
    return models.PointStruct(id=point.id, vector=vectors, payload=point.payload)


def _words(sparse: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))


def _filter(where: Where) -> models.Filter:
    return models.Filter(must=[_condition(clause) for clause in where.must])


def _condition(clause: Clause) -> models.FieldCondition:
    if isinstance(clause, OneOf):
        return models.FieldCondition(key=clause.key, match=models.MatchAny(any=cast("list[str]", list(clause.values))))
    return models.FieldCondition(key=clause.key, range=models.Range(gte=clause.at_least, lte=clause.at_most))


def _hits(response: models.QueryResponse) -> list[Hit]:
    return [Hit(str(point.id), float(point.score), point.payload) for point in response.points]
