"""Retrieval at another Tandem."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tandem.adapters.remote.found import InRetrieval
from tandem.adapters.remote.peer import Peer, json_body, peer
from tandem.adapters.remote.wire import filters_body, read
from tandem.adapters.remote.wording import wording_body
from tandem.domain.context import RequestContext
from tandem.domain.passage import Retrieval
from tandem.domain.question import RetrievalOptions


class RemoteRetriever:
    """`ports/retriever.py` over `POST /v1/retrieve`."""

    def __init__(self, peer: Peer, timeout_s: float) -> None:
        self._peer = peer
        self._timeout_s = timeout_s

    async def retrieve(self, question: str, options: RetrievalOptions, context: RequestContext) -> Retrieval:
        """What the peer finds."""
        body = json_body(
            {
                "query": question,
                "collection": options.collection,
                "top_k": options.top_k,
                "filters": filters_body(options.filters) or None,
                "rerank": options.rerank,
                "expand": options.expand,
                "self_query": options.self_query,
                "wording": None if options.wording is None else wording_body(options.wording),
                "neighbours": options.neighbours,
                "diversity": options.diversity,
                "explain": options.explain or None,
                "cache": options.cache,
            }
        )
        answer = await self._peer.call(
            "POST",
            "/v1/retrieve",
            context,
            timeout_s=self._timeout_s,
            body=body,
            media_type="application/json",
            reads=True,
        )
        return read(InRetrieval, answer).retrieval()


@asynccontextmanager
async def remote_retriever(
    url: str,
    *,
    api_key: str | None = None,
    timeout_s: float = 30.0,
    as_peer: bool = True,
    now_s: Callable[[], float] = time.monotonic,
) -> AsyncIterator[RemoteRetriever]:
    """A retriever at `url`, any Tandem that owns documents. `now_s` is the clock that deadlines are told by."""
    async with peer(url, api_key, now_s, stage="retrieval", as_peer=as_peer) as connected:
        yield RemoteRetriever(connected, timeout_s)
