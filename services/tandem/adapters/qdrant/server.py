"""A Qdrant server (1.16 or newer), over REST or gRPC, through qdrant-client."""

import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from tandem.adapters.qdrant.conditions import Where
from tandem.adapters.qdrant.connection import IN_MEMORY, Connection, connected
from tandem.adapters.qdrant.engine import Legs
from tandem.adapters.qdrant.payload import (
    DENSE,
    FLOAT_FIELDS,
    INTEGER_FIELDS,
    KEYWORD_FIELDS,
    SPARSE,
    TENANT,
    NewPoint,
    Payload,
)
from tandem.adapters.qdrant.replication import Replication
from tandem.adapters.qdrant.server_aliases import ServerAliases
from tandem.adapters.qdrant.server_models import (
    embedded_of,
    filter_model,
    hits_of,
    point_model,
    stored_of,
    words_model,
)
from tandem.adapters.qdrant.server_notes import ServerNotes, first_notes, lineage_note
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.adapters.qdrant.translation import translated
from tandem.adapters.qdrant.turns import Turns
from tandem.adapters.qdrant.writing import Pressure, Writing
from tandem.domain.document import Recipe
from tandem.domain.errors import ConfigurationError, UpstreamFailed
from tandem.domain.lineage import Lineage, is_version, valid_base, version_named
from tandem.ports.copying import StoredPoint
from tandem.ports.embedder import DenseVector, SparseVector
from tandem.ports.vectors import FUSION_K

__all__ = ["IN_MEMORY", "ServerEngine", "qdrant_vectors"]

_PAGE = 1_000


class ServerEngine:
    """Every call is one round trip, unless it pages. See `Engine`."""

    def __init__(
        self,
        connection: Connection,
        writing: Writing,
        *,
        indexed: bool,
        replication: Replication = Replication(),  # noqa: B008 - it is frozen
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._client = connection.kept
        self._indexed = indexed
        self._replication = replication
        self._writing = writing
        self._aliases = ServerAliases(connection, now_s)
        self._notes = ServerNotes(connection, now_s)

    async def serving(self, *, fresh: bool = False) -> Mapping[str, str]:
        """See `Engine`."""
        return await self._aliases.serving(fresh=fresh)

    async def point(self, base: str, version: str, instead_of: str | None) -> None:
        """See `Engine`."""
        await self.recipe(version)
        await self._aliases.point(base, version, instead_of)

    async def withdraw(self, base: str) -> None:
        """See `Engine`."""
        await self._aliases.withdraw(base)

    async def adopt(self, base: str) -> bool:
        """See `Engine`."""
        if not await self._notes.made_here(base):
            return False
        await self._aliases.adopt(base)
        return True

    @property
    def whole_batches(self) -> bool:
        """A collection may lie on several machines, each with a log of its own."""
        return False

    async def names(self) -> list[str]:
        """Versions on this server that hold a recipe; it may serve others too."""
        listed = await self._connection.read(lambda client: client.get_collections())
        found = []
        for name in (each.name for each in listed.collections):
            if (valid_base(name) or is_version(name)) and await self._notes.made_here(name):
                if valid_base(name) and name not in await self.serving():
                    await self._aliases.adopt(name)
                found.append(version_named(name, 1) if valid_base(name) else name)
        return found

    async def lineage(self, name: str) -> Lineage:
        """See `Engine`."""
        return await self._notes.lineage(name)

    async def keep_lineage(self, name: str, lineage: Lineage) -> None:
        """See `Engine`."""
        physical = await self._aliases.physical(name)
        async with translated(name):
            await self._client.update_collection(physical, metadata=lineage_note(lineage))

    async def recipe(self, name: str, *, fresh: bool = True) -> Recipe:
        """See `Engine`. Raises `StoreMismatch` for a collection of someone else."""
        return await (self._notes.recipe(name) if fresh else self._notes.recent_recipe(name))

    async def create(self, name: str, recipe: Recipe, lineage: Lineage) -> None:
        """See `Engine`. Raises `ConfigurationError` when the server is too old to keep the recipe."""
        async with translated(name):
            await self._client.create_collection(
                name,
                vectors_config={DENSE: models.VectorParams(size=recipe.dimensions, distance=models.Distance.COSINE)},
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                metadata=first_notes(recipe, lineage),
                **self._replication.made,
            )
            self._notes.forget(name)
            if not await self._notes.made_here(name):
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
        physical = await self._aliases.physical(name)
        async with translated(name):
            await self._client.delete_collection(physical)
        self._notes.forget(name)
        self._aliases.forget()

    async def upsert(self, name: str, points: Sequence[NewPoint]) -> None:
        """See `Engine`."""
        made = [point_model(point) for point in points]
        await self._writing.write(name, lambda: self._client.upsert(name, made, wait=True))

    async def set_payload(self, name: str, where: Where, payload: Payload) -> None:
        """See `Engine`."""
        chosen = filter_model(where)
        await self._writing.write(name, lambda: self._client.set_payload(name, dict(payload), points=chosen, wait=True))

    async def delete(self, name: str, where: Where) -> None:
        """See `Engine`."""
        chosen = models.FilterSelector(filter=filter_model(where))
        await self._writing.write(name, lambda: self._client.delete(name, chosen, wait=True))

    async def retrieve(self, name: str, ids: Sequence[str]) -> list[Payload]:
        """See `Engine`."""
        agreed = self._replication.reads
        found = await self._connection.read(
            lambda client: client.retrieve(name, list(ids), with_payload=True, consistency=agreed), name
        )
        return [point.payload or {} for point in found]

    async def scroll(self, name: str, where: Where, only: Sequence[str] = ()) -> list[Payload]:
        """See `Engine`."""
        return [point.payload or {} for point in await self._points(name, where, list(only) or True)]

    async def embedded(self, name: str, where: Where) -> list[tuple[Payload, DenseVector, SparseVector]]:
        """See `Engine`."""
        return [embedded_of(point) for point in await self._points(name, where, True, with_vectors=True)]

    async def _points(
        self, name: str, where: Where, fields: bool | list[str], *, with_vectors: bool = False
    ) -> list[models.Record]:
        points: list[models.Record] = []
        offset: Any = None
        while True:
            page = partial(_page, name, where, offset, fields, with_vectors, self._replication.reads)
            found, offset = await self._connection.read(page, name)
            points += found
            if offset is None:
                return points

    async def points(
        self, name: str, where: Where, limit: int, after: str | None, *, only: Sequence[str] = (), vectors: bool
    ) -> tuple[list[StoredPoint], str | None]:
        """See `Engine`."""
        ask = partial(_page, name, where, after, list(only) or True, vectors, self._replication.reads, limit=limit)
        found, following = await self._connection.read(ask, name)
        return [stored_of(point) for point in found], None if following is None else str(following)

    async def values(self, name: str, key: str, where: Where, limit: int | None = None) -> list[str]:
        """See `Engine`."""
        most, agreed = limit or max(1, await self.count(name, where)), self._replication.reads
        response = await self._connection.read(
            lambda client: client.facet(
                name, key, facet_filter=filter_model(where), limit=most, exact=True, consistency=agreed
            ),
            name,
        )
        return [str(hit.value) for hit in response.hits]

    async def count(self, name: str, where: Where) -> int:
        """See `Engine`."""
        counted = await self._connection.read(
            lambda client: client.count(name, count_filter=filter_model(where), exact=True), name
        )
        return counted.count

    async def query(
        self,
        name: str,
        dense: DenseVector,
        sparse: SparseVector,
        where: Where,
        limit: int,
        within_s: float | None = None,
    ) -> Legs:
        """See `Engine`. The server is told when nobody waits any more, in whole seconds."""
        chosen = filter_model(where)
        vectors: dict[str, Any] = {DENSE: list(dense), SPARSE: words_model(sparse) if sparse.indices else None}
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
            query=models.RrfQuery(rrf=models.Rrf(k=FUSION_K)),
            limit=limit,
        )
        timeout, agreed = None if within_s is None else max(1, math.ceil(within_s)), self._replication.reads
        answers = await self._connection.read(
            lambda client: client.query_batch_points(name, [*legs, fused], consistency=agreed, timeout=timeout),
            name,
            within_s,
        )
        if len(answers) != len(legs) + 1:
            raise UpstreamFailed("What answers is not Qdrant: it left a query out.", hint="Check vectors.url.")
        *hits, best = map(hits_of, answers)
        found = dict(zip((using for using, _ in nearest), hits, strict=True))
        return Legs(dense=found.get(DENSE, []), sparse=found.get(SPARSE, []), fused=best)

    async def optimize(self, name: str) -> None:
        """A server indexes by itself."""
        await self.recipe(name)


@asynccontextmanager
async def qdrant_vectors(
    url: str,
    *,
    api_key: str | None = None,
    grpc_port: int | None = None,
    timeout_s: float = 10.0,
    connect_timeout_s: float = 2.0,
    max_concurrency: int = 32,
    pressure: Pressure = Pressure(),  # noqa: B008 - it is frozen
    replication: Replication = Replication(),  # noqa: B008 - it is frozen
) -> AsyncIterator[QdrantVectors]:
    """The store on the server at `url`; connects when first used. gRPC costs the client a third of REST's CPU."""
    async with connected(
        url,
        api_key=api_key,
        grpc_port=grpc_port,
        timeout_s=timeout_s,
        connect_timeout_s=connect_timeout_s,
        max_kept=max_concurrency,
    ) as connection:
        engine = ServerEngine(connection, Writing(pressure), indexed=url != IN_MEMORY, replication=replication)
        yield QdrantVectors(engine, Turns(max_concurrency, timeout_s))


async def _page(
    name: str,
    where: Where,
    offset: Any,
    fields: bool | list[str],
    with_vectors: bool,
    agreed: models.ReadConsistency | None,
    client: AsyncQdrantClient,
    limit: int = _PAGE,
) -> tuple[list[models.Record], models.ExtendedPointId | None]:
    return await client.scroll(
        name,
        scroll_filter=filter_model(where),
        limit=limit,
        offset=offset,
        with_payload=fields,
        with_vectors=with_vectors,
        consistency=agreed,
    )
