"""Each part of the platform: how it is made, and how it is put away. The only place that decides between local and remote.

Adapters are imported where they are opened, so that a process loads only what it runs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

from tandem.app.clock import SystemClock
from tandem.app.embedding import embedding_peer, embedding_server
from tandem.app.settings import Settings
from tandem.app.speaking import predictor_client
from tandem.app.traffic import Endpoint, Pool
from tandem.app.wording import planner
from tandem.generation.streaming import Patience
from tandem.observe.steps import stepped
from tandem.pipeline.retrieving import RetrievalDefaults, Retrieving
from tandem.ports.copying import Copied
from tandem.ports.embedder import Embedder
from tandem.ports.engine import Engine
from tandem.ports.generator import Inside, Server
from tandem.ports.ingestor import Ingestor
from tandem.ports.reranker import Reranker
from tandem.ports.retriever import Retriever
from tandem.ports.vectors import Vectors
from tandem.retrieval.blend import Blend
from tandem.retrieval.fusion import Weights
from tandem.retrieval.relevance import THRESHOLD

T = TypeVar("T")
Opener = Callable[[], Awaitable[T]]
# Puts what keeps results before a retriever over a store; `forgetful` puts nothing there.
Remembering = Callable[[Retriever, Vectors], Retriever]
# Puts what watches the questions before a retrieval's embedder; `unwatched` puts nothing there.
Watching = Callable[[Embedder], Embedder]


def forgetful(retriever: Retriever, _vectors: Vectors) -> Retriever:
    """Everything is worked out anew."""
    return retriever


def unwatched(embedder: Embedder) -> Embedder:
    """Nobody looks."""
    return embedder


@asynccontextmanager
async def shared(part: AbstractAsyncContextManager[T]) -> AsyncIterator[Opener[T]]:
    """A part that several others need: opened when first asked for, once, and closed with this context."""
    async with AsyncExitStack() as stack:
        opened: list[T] = []

        async def get() -> T:
            if not opened:
                opened.append(await stack.enter_async_context(part))
            return opened[0]

        yield get


@asynccontextmanager
async def embedder(settings: Settings) -> AsyncIterator[Embedder]:
    """The embedding model: at a server by its URL, else in this process."""
    if settings.embedder.url is None:
        from tandem.adapters.embeddings.minilm import minilm_embedder

        async with minilm_embedder(threads=settings.embedder.threads) as dense:
            yield dense
    else:
        async with embedding_server(settings.embedder, settings.embedder.url) as remote:
            yield remote


@asynccontextmanager
async def embeddings(settings: Settings, dense: Opener[Embedder]) -> AsyncIterator[Opener[Embedder]]:
    """What `/v1/embeddings` answers with: a retriever's model where that is a peer, so that there is one of it."""
    if settings.retriever.url is None:
        yield dense
        return
    async with shared(embedding_peer(settings)) as remote:
        yield remote


@asynccontextmanager
async def vectors(settings: Settings) -> AsyncIterator[Copied]:
    """The vector store: a Qdrant server by its URL, else Qdrant's engine in this process."""
    if settings.vectors.url is not None:
        from tandem.adapters.qdrant.replication import Replication
        from tandem.adapters.qdrant.server import qdrant_vectors
        from tandem.adapters.qdrant.writing import Pressure

        async with qdrant_vectors(
            settings.vectors.url,
            api_key=settings.vectors.api_key.get_secret_value() if settings.vectors.api_key else None,
            grpc_port=settings.vectors.grpc_port,
            timeout_s=settings.vectors.timeout_s,
            connect_timeout_s=settings.vectors.connect_timeout_s,
            max_concurrency=settings.vectors.max_concurrency,
            pressure=Pressure(settings.vectors.max_writes, settings.vectors.write_patience_s),
            replication=Replication(
                settings.vectors.shard_number,
                settings.vectors.replication_factor,
                settings.vectors.write_consistency_factor,
                settings.vectors.read_consistency,
            ),
        ) as store:
            yield store
    else:
        from tandem.adapters.qdrant.edge import edge_vectors

        async with edge_vectors(
            settings.data_dir / "collections",
            max_concurrency=settings.vectors.max_concurrency,
            patience_s=settings.vectors.timeout_s,
        ) as store:
            yield store


@asynccontextmanager
async def reranker(settings: Settings) -> AsyncIterator[Reranker]:
    """A rerank server or a cross-encoder when one is configured, else the measured blend of the scores at hand."""
    chosen = settings.reranker
    if chosen.url is not None:
        from tandem.adapters.rerankers.tei import tei_reranker

        async with tei_reranker(chosen.url, timeout_s=chosen.timeout_s) as scorer:
            yield scorer
    elif chosen.model is not None:
        from tandem.adapters.rerankers.cross_encoder import cross_encoder

        async with cross_encoder(chosen.model, threads=chosen.threads, max_tokens=chosen.max_tokens) as encoder:
            yield encoder
    else:
        yield Blend()


@asynccontextmanager
async def local_features(
    settings: Settings,
    dense: Opener[Embedder],
    remembering: Remembering = forgetful,
    watching: Watching = unwatched,
) -> AsyncIterator[tuple[Retriever, Ingestor]]:
    """Retrieval and documents over a vector store that this process reaches itself."""
    from tandem.adapters.embeddings.bm25 import Bm25Embedder
    from tandem.adapters.sources.loader import document_loader
    from tandem.app.versions import kept_versions
    from tandem.pipeline.ingesting import Ingesting

    clock = SystemClock()
    sparse = Bm25Embedder(language=settings.embedder.sparse_language)
    async with (
        vectors(settings) as store,
        reranker(settings) as scorer,
        document_loader(
            max_document_bytes=settings.ingestion.max_document_bytes,
            max_text_chars=settings.ingestion.max_text_chars,
            timeout_s=settings.ingestion.load_timeout_s,
            memory_mb=settings.ingestion.load_memory_mb,
        ) as loader,
    ):
        embed = await dense()
        retrieving = Retrieving(
            watching(embed), sparse, store, scorer, clock, retrieval_defaults(settings), planner(settings, store, clock)
        )
        ingesting = Ingesting(
            stepped(loader, {"load": "load"}),
            stepped(embed, {"embed": "embed"}),
            sparse,
            stepped(store, {"replace_document": "store", "delete_document": "delete", "optimize": "optimize"}),
            clock,
            chunk_tokens=settings.ingestion.chunk_tokens,
            chunk_overlap=settings.ingestion.chunk_overlap,
            versions=kept_versions(
                settings, store, retrieving, clock, embedder=embed, sparse=sparse, loader=loader.name
            ),
        )
        yield remembering(retrieving, store), ingesting


def documents_kept(settings: Settings) -> bool:
    """False where the place would be a folder that is not there: opening it would make one."""
    return settings.vectors.url is not None or (settings.data_dir / "collections").is_dir()


def retrieves(settings: Settings) -> bool:
    """False where that is a peer's work."""
    return settings.retriever.url is None


@asynccontextmanager
async def features(
    settings: Settings,
    dense: Opener[Embedder],
    remembering: Remembering = forgetful,
    watching: Watching = unwatched,
) -> AsyncIterator[tuple[Retriever, Ingestor]]:
    """Retrieval and documents: at a retriever by its URL, else in this process."""
    if settings.retriever.url is None:
        async with local_features(settings, dense, remembering, watching) as both:
            yield both
        return
    from tandem.adapters.remote.ingestor import remote_ingestor
    from tandem.adapters.remote.retriever import remote_retriever

    url, timeout_s = settings.retriever.url, settings.retriever.timeout_s
    key = settings.retriever.api_key.get_secret_value() if settings.retriever.api_key else None
    async with (
        remote_retriever(url, api_key=key, timeout_s=timeout_s, as_peer=settings.retriever.as_peer) as retriever,
        remote_ingestor(url, api_key=key, timeout_s=timeout_s, as_peer=settings.retriever.as_peer) as ingestor,
    ):
        yield retriever, ingestor


def described_pools(settings: Settings) -> tuple[Pool, ...]:
    """Without pools in the settings there is one, named default: the predictor by its URL, or the model of this process."""
    peer = settings.predictor
    alone = Endpoint(url=peer.url, protocol=peer.protocol, model=peer.model, api_key=peer.api_key)
    return settings.pools or (
        Pool(
            name="default",
            endpoints=(alone,),
            model=peer.declared,
            lineage=peer.lineage,
            admission=settings.admission,
        ),
    )


@asynccontextmanager
async def predictors(settings: Settings, dense: Opener[Embedder]) -> AsyncIterator[list[tuple[Pool, list[Server]]]]:
    """The pools with their servers."""
    pools = described_pools(settings)
    async with shared(engine(settings, dense)) as inside, AsyncExitStack() as stack:
        yield [
            (pool, [await stack.enter_async_context(server(settings, one, inside)) for one in pool.endpoints])
            for pool in pools
        ]


@asynccontextmanager
async def server(settings: Settings, endpoint: Endpoint, inside: Opener[Engine]) -> AsyncIterator[Server]:
    """One server of a pool: at its URL, else the model in this process."""
    if endpoint.url is None:
        yield Inside(await inside())
        return
    waits = settings.predictor
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else None
    patience = Patience(
        waits.connect_timeout_s, waits.first_token_timeout_s, waits.idle_timeout_s, waits.stream_interval_s
    )
    async with predictor_client(
        endpoint.url, endpoint.protocol, model=endpoint.model, api_key=key, patience=patience
    ) as client:
        yield client


@asynccontextmanager
async def engine(settings: Settings, dense: Opener[Embedder]) -> AsyncIterator[Engine]:
    """The model that runs in this process."""
    chosen = settings.predictor
    if chosen.model == "extractive":
        from tandem.adapters.small.extractive import extractive_engine

        opening: AbstractAsyncContextManager[Engine] = extractive_engine(
            await dense(),
            context_tokens=chosen.context_tokens,
            parallel=chosen.parallel,
            max_concurrent_requests=chosen.max_concurrent_requests,
            clock=SystemClock(),
        )
    else:
        from tandem.adapters.small.gguf import gguf_engine

        opening = gguf_engine(
            chosen.model,
            context_tokens=chosen.context_tokens,
            parallel=chosen.parallel,
            max_concurrent_requests=chosen.max_concurrent_requests,
            clock=SystemClock(),
        )
    async with opening as model:
        yield model


def retrieval_defaults(settings: Settings) -> RetrievalDefaults:
    """What holds when a request says nothing."""
    chosen = settings.retrieval
    return RetrievalDefaults(
        top_k=chosen.top_k,
        candidates=chosen.candidates,
        threshold=THRESHOLD if chosen.threshold is None else chosen.threshold,
        rerank=chosen.rerank,
        max_tokens=chosen.max_passage_tokens,
        diversity=chosen.diversity,
        suspicious=chosen.suspicious,
        neighbours=chosen.neighbours,
        weights=Weights(chosen.dense_weight, chosen.sparse_weight, chosen.fusion_k),
    )
