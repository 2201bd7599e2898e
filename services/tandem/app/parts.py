"""Each part of the platform: how it is made, and how it is put away. The only place that decides between local and remote.

Adapters are imported where they are opened, so that a process loads only what it runs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.app.templates import template_sources
from tandem.domain.errors import ConfigurationError
from tandem.pipeline.answering import Answering
from tandem.ports.embedder import Embedder
from tandem.ports.engine import Engine
from tandem.ports.generator import Generator
from tandem.ports.ingestor import Ingestor
from tandem.ports.reranker import Reranker
from tandem.ports.retriever import Retriever
from tandem.ports.vectors import Vectors

T = TypeVar("T")
Opener = Callable[[], Awaitable[T]]


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
    """The embedding model, in this process."""
    from tandem.adapters.embeddings.minilm import minilm_embedder

    async with minilm_embedder(threads=settings.embedder.threads) as dense:
        yield dense


@asynccontextmanager
async def vectors(settings: Settings) -> AsyncIterator[Vectors]:
    """The vector store: a Qdrant server by its URL, else Qdrant's engine in this process."""
    if settings.vectors.url is not None:
        from tandem.adapters.qdrant.server import qdrant_vectors

        async with qdrant_vectors(
            settings.vectors.url,
            api_key=settings.vectors.api_key.get_secret_value() if settings.vectors.api_key else None,
            grpc_port=settings.vectors.grpc_port,
            timeout_s=settings.vectors.timeout_s,
        ) as store:
            yield store
    else:
        from tandem.adapters.qdrant.edge import edge_vectors

        async with edge_vectors(settings.data_dir / "collections") as store:
            yield store


@asynccontextmanager
async def reranker(settings: Settings) -> AsyncIterator[Reranker | None]:
    """A rerank server when one is configured; None leaves the measured in-process one in charge."""
    if settings.reranker.url is None:
        yield None
        return
    from tandem.adapters.rerankers.tei import tei_reranker

    async with tei_reranker(settings.reranker.url, timeout_s=settings.reranker.timeout_s) as scorer:
        yield scorer


@asynccontextmanager
async def local_features(settings: Settings, dense: Opener[Embedder]) -> AsyncIterator[tuple[Retriever, Ingestor]]:
    """Retrieval and documents over a vector store that this process reaches itself."""
    from tandem.adapters.embeddings.bm25 import Bm25Embedder
    from tandem.adapters.sources.loader import document_loader
    from tandem.pipeline.ingesting import Ingesting
    from tandem.pipeline.retrieving import Retrieving

    clock = SystemClock()
    sparse = Bm25Embedder(language=settings.embedder.sparse_language)
    async with (
        vectors(settings) as store,
        reranker(settings) as scorer,
        document_loader(settings) as loader,
    ):
        embed = await dense()
        yield Retrieving(embed, sparse, store, scorer, clock), Ingesting(loader, embed, sparse, store, clock)


@asynccontextmanager
async def features(settings: Settings, dense: Opener[Embedder]) -> AsyncIterator[tuple[Retriever, Ingestor]]:
    """Retrieval and documents: at a retriever by its URL, else in this process."""
    if settings.retriever.url is None:
        async with local_features(settings, dense) as both:
            yield both
        return
    from tandem.adapters.remote.ingestor import remote_ingestor
    from tandem.adapters.remote.retriever import remote_retriever

    peer = settings.retriever
    key = peer.api_key.get_secret_value() if peer.api_key else None
    async with (
        remote_retriever(peer.url, api_key=key, timeout_s=peer.timeout_s) as retriever,
        remote_ingestor(peer.url, api_key=key, timeout_s=peer.timeout_s) as ingestor,
    ):
        yield retriever, ingestor
