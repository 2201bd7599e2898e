"""What a process keeps of what it found and answered."""

from collections.abc import Callable
from typing import TypeVar

from tandem.adapters.cache.memory import MemoryCache
from tandem.app.clock import SystemClock
from tandem.app.features import Cache
from tandem.domain.passage import Retrieval
from tandem.observe.metrics import Metrics
from tandem.pipeline.caching import AnswerCache, CachedRetrieval, KeptAnswer
from tandem.ports.retriever import Retriever
from tandem.ports.vectors import Vectors

V = TypeVar("V")


def retrieval(settings: Cache, metrics: Metrics) -> Callable[[Retriever, Vectors], Retriever]:
    """Puts what keeps results before a retriever, when the settings want it."""

    def remembering(inner: Retriever, vectors: Vectors) -> Retriever:
        if not settings.retrieval:
            return inner
        kept: MemoryCache[Retrieval] = _memory(settings, metrics, "retrieval")
        return CachedRetrieval(inner, vectors, kept, settings.match, metrics, SystemClock())

    return remembering


def answers(settings: Cache, metrics: Metrics) -> AnswerCache:
    """Of one process."""
    kept: MemoryCache[KeptAnswer] = _memory(settings, metrics, "answer")
    return AnswerCache(kept, settings.answers, settings.match, metrics)


def _memory(settings: Cache, metrics: Metrics, name: str) -> MemoryCache[V]:
    cache: MemoryCache[V] = MemoryCache(SystemClock(), max_bytes=settings.max_bytes, ttl_s=settings.ttl_s)
    metrics.cache_bytes.labels(name).set_function(lambda: cache.bytes)
    return cache
