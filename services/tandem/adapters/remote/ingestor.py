"""Documents at another Tandem."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

import orjson

from tandem.adapters.remote.peer import Peer, peer
from tandem.adapters.remote.syncing import InFailures, InForgotten, InMarks, InPositions, position_query
from tandem.adapters.remote.versions import RemoteVersions
from tandem.adapters.remote.wire import InCollections, InDocument, InPage, InPut, read
from tandem.domain.context import RequestContext
from tandem.domain.document import CollectionInfo, DocumentPage, IngestOutcome, RawDocument, StoredDocument
from tandem.domain.errors import UnknownDocument
from tandem.domain.syncing import Failure, FailurePage, MarkPage, StreamPosition


class RemoteIngestor:
    """`ports/ingestor.py` over `/v1/documents` and `/v1/collections`."""

    def __init__(self, peer: Peer, timeout_s: float, put_timeout_s: float) -> None:
        self._peer = peer
        self._timeout_s = timeout_s
        self._put_timeout_s = put_timeout_s
        self.versions = RemoteVersions(peer, put_timeout_s)

    async def put(self, collection: str, document: RawDocument, context: RequestContext) -> IngestOutcome:
        """What became of it there."""
        answer = await self._peer.call(
            "PUT",
            _document_path(document.id),
            context,
            timeout_s=self._put_timeout_s,
            query={
                "collection": collection,
                "title": document.title,
                "source": document.source,
                "tags": list(document.tags),
                "acl": list(document.acl),
                "author": document.author,
                "language": document.language,
                "path": document.path,
                "created_at": None if document.created_at is None else repr(document.created_at),
                "modified_at": None if document.modified_at is None else repr(document.modified_at),
                "version": document.version,
                "origin": document.origin,
                "place": document.place,
                "changed_at": None if document.changed_at is None else repr(document.changed_at),
                **position_query(document.position),
            },
            body=document.body,
            media_type=document.media_type,
        )
        return read(InPut, answer).outcome()

    async def delete(
        self, collection: str, document_id: str, context: RequestContext, position: StreamPosition | None = None
    ) -> bool:
        """True when there was one there."""
        query = {"collection": collection, **position_query(position)}
        try:
            await self._peer.call(
                "DELETE", _document_path(document_id), context, timeout_s=self._timeout_s, query=query
            )
        except UnknownDocument:
            return False
        return True

    async def document(self, collection: str, document_id: str, context: RequestContext) -> StoredDocument:
        """The peer's record and chunks."""
        query = {"collection": collection}
        path = _document_path(document_id)
        return read(
            InDocument, await self._peer.call("GET", path, context, timeout_s=self._timeout_s, query=query, reads=True)
        ).document()

    async def documents(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> DocumentPage:
        """A page of the peer's records."""
        query = {"collection": collection, "limit": limit, "after": after}
        answer = await self._peer.call(
            "GET", "/v1/documents", context, timeout_s=self._timeout_s, query=query, reads=True
        )
        return read(InPage, answer).page()

    async def marks(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> MarkPage:
        """A page of the peer's; a large one takes as long as a large write."""
        path, query = f"{_collection_path(collection)}/marks", {"limit": limit, "after": after}
        answer = await self._peer.call("GET", path, context, timeout_s=self._put_timeout_s, query=query, reads=True)
        return read(InMarks, answer).page()

    async def note_failure(
        self,
        collection: str,
        failure: Failure,
        context: RequestContext,
        position: StreamPosition | None = None,
    ) -> None:
        """Remembered there."""
        said = {
            "document_id": failure.document_id,
            "reason": failure.reason,
            "message": failure.message,
            "source": failure.source,
            "place": failure.place,
            "acl": list(failure.acl),
            **position_query(position),
        }
        await self._peer.call(
            "POST",
            f"{_collection_path(collection)}/failures",
            context,
            timeout_s=self._timeout_s,
            body=orjson.dumps(said),
            media_type="application/json",
        )

    async def failures(
        self, collection: str, context: RequestContext, *, limit: int, after: str | None = None
    ) -> FailurePage:
        """A page of the peer's."""
        path, query = f"{_collection_path(collection)}/failures", {"limit": limit, "after": after}
        answer = await self._peer.call("GET", path, context, timeout_s=self._timeout_s, query=query, reads=True)
        return read(InFailures, answer).page()

    async def forget_failure(self, collection: str, document_id: str, context: RequestContext) -> bool:
        """Forgotten there."""
        path, query = f"{_collection_path(collection)}/failures", {"document_id": document_id}
        answer = await self._peer.call("DELETE", path, context, timeout_s=self._timeout_s, query=query)
        return read(InForgotten, answer).forgotten

    async def positions(
        self, collection: str, stream: str, partitions: Sequence[int], context: RequestContext
    ) -> Mapping[int, int]:
        """As the peer has them."""
        path = f"{_collection_path(collection)}/positions"
        query = {"stream": stream, "partition": list(partitions)}
        answer = await self._peer.call("GET", path, context, timeout_s=self._timeout_s, query=query, reads=True)
        return read(InPositions, answer).positions

    async def collections(self, context: RequestContext) -> list[CollectionInfo]:
        """The peer's collections."""
        answer = await self._peer.call("GET", "/v1/collections", context, timeout_s=self._timeout_s, reads=True)
        return [found.info() for found in read(InCollections, answer).data]

    async def drop_collection(self, collection: str, context: RequestContext) -> None:
        """Gone there."""
        await self._peer.call("DELETE", _collection_path(collection), context, timeout_s=self._put_timeout_s)

    async def settle(self, collection: str) -> None:
        """Indexed there."""
        await self._peer.call("POST", f"{_collection_path(collection)}/settle", timeout_s=self._put_timeout_s)


@asynccontextmanager
async def remote_ingestor(
    url: str,
    *,
    api_key: str | None = None,
    timeout_s: float = 30.0,
    put_timeout_s: float = 600.0,
    as_peer: bool = True,
    now_s: Callable[[], float] = time.monotonic,
) -> AsyncIterator[RemoteIngestor]:
    """Documents at `url`. Reading and embedding a large document takes minutes, hence the longer bound for writes."""
    async with peer(url, api_key, now_s, stage="documents", as_peer=as_peer) as connected:
        yield RemoteIngestor(connected, timeout_s, max(timeout_s, put_timeout_s))


def _document_path(document_id: str) -> str:
    return f"/v1/documents/{quote(document_id, safe='')}"


def _collection_path(name: str) -> str:
    return f"/v1/collections/{quote(name, safe='')}"
