"""Documents in, and what is there."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import FiniteFloat
from starlette.responses import Response

from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import DocumentRejected, PermissionDenied, UnknownDocument
from tandem.domain.groups import MAX_GROUPS
from tandem.http.exchange import context_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import as_it_serves, check_collection
from tandem.http.reply import json_reply
from tandem.http.wire import documents as wire
from tandem.http.wire import syncing
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import CollectionName, ShortText
from tandem.ingestion.identifiers import check_document_id
from tandem.ingestion.labels import MAX_TAGS
from tandem.ports.ingestor import Ingestor

# curl and browsers say these when nobody told them what they send.
_UNTOLD = frozenset({"", "application/x-www-form-urlencoded", "application/octet-stream"})
_RAW_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The document's bytes. Content-Type, or the id's extension, tells the format.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Collection = Annotated[CollectionName | None, Query(description="The default collection if unset.")]


def documents_router(ingestor: Ingestor, *, collection: str) -> APIRouter:
    """`collection` is used when a request names none. The body limit is the web app's."""
    router = APIRouter(tags=["documents"], route_class=JsonRoute, dependencies=as_it_serves)
    default = collection

    @router.put(
        "/v1/documents",
        responses={200: {"model": wire.BatchOutcomes}, **faults(403, 409, 415, 507, *BEHIND)},
        summary="Put several documents",
    )
    async def put_batch(body: wire.PutBatch, request: Request) -> Response:
        check_collection(body.collection, request.scope)
        target, context = body.collection or default, context_of(request)
        for index, item in enumerate(body.documents):
            check_document_id(item.id, param=f"documents.{index}.id")
        results = [await _put_item(ingestor, target, item, context) for item in body.documents]
        if any(result.status in {"added", "updated"} for result in results):
            await ingestor.settle(target)
        return json_reply(wire.BatchOutcomes(results=results))

    @router.put(
        "/v1/documents/{document_id:path}",
        responses={200: {"model": wire.PutOutcome}, **faults(403, 409, 422, 507, *BEHIND)},
        openapi_extra=_RAW_BODY,
        summary="Put a document",
    )
    async def put(
        document_id: str,
        request: Request,
        *,
        collection: Collection = None,
        title: Annotated[ShortText | None, Query()] = None,
        source: Annotated[ShortText | None, Query(description="Where it came from; the id if unset.")] = None,
        tags: Annotated[list[wire.Tag], Query(max_length=MAX_TAGS)] = [],  # noqa: B006 FastAPI copies it
        modified_at: Annotated[FiniteFloat | None, Query(description="Epoch seconds.")] = None,
        author: Annotated[wire.Author | None, Query(description=wire.AUTHOR_IS)] = None,
        created_at: Annotated[FiniteFloat | None, Query(description=wire.CREATED_IS)] = None,
        language: Annotated[wire.Language | None, Query(description=wire.LANGUAGE_IS)] = None,
        path: Annotated[wire.DocumentPath | None, Query(description=wire.PATH_IS)] = None,
        acl: Annotated[list[wire.GroupName], Query(max_length=MAX_GROUPS, description=wire.ACL_IS)] = [],  # noqa: B006
        version: Annotated[ShortText | None, Query(description=syncing.VERSION_IS)] = None,
        origin: Annotated[ShortText | None, Query(description=syncing.ORIGIN_IS)] = None,
        place: Annotated[ShortText | None, Query(description=syncing.PLACE_IS)] = None,
        changed_at: Annotated[FiniteFloat | None, Query(description=syncing.CHANGED_IS)] = None,
        stream: Annotated[ShortText | None, Query(description=syncing.STREAM_IS)] = None,
        partition: Annotated[syncing.Whole | None, Query()] = None,
        position: Annotated[syncing.Whole | None, Query()] = None,
    ) -> Response:
        document = RawDocument(
            id=check_document_id(document_id),
            body=await request.body(),
            source=source or document_id,
            media_type=_media_type(request),
            title=title,
            modified_at=modified_at,
            tags=tuple(tags),
            author=author,
            created_at=created_at,
            language=language,
            path=path,
            acl=tuple(acl),
            version=version,
            origin=origin,
            place=place,
            changed_at=changed_at,
            position=syncing.position_of(stream, partition, position),
        )
        target = collection or default
        outcome = _accepted(await ingestor.put(target, document, context_of(request)))
        return json_reply(
            wire.PutOutcome.model_validate(
                {
                    "id": outcome.document_id,
                    "status": outcome.status,
                    "chunks": outcome.chunks,
                    "reused": outcome.reused,
                    "collection": target,
                }
            )
        )

    @router.get(
        "/v1/documents",
        responses={200: {"model": wire.WirePage}, **faults(403, 404, *BEHIND)},
        summary="List documents",
    )
    async def listing(
        request: Request,
        collection: Collection = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        after: Annotated[ShortText | None, Query(description="next_after of the page before.")] = None,
    ) -> Response:
        page = await ingestor.documents(collection or default, context_of(request), limit=limit, after=after)
        return json_reply(wire.wire_page(page))

    @router.get(
        "/v1/documents/{document_id:path}",
        responses={200: {"model": wire.WireDocument}, **faults(403, 404, *BEHIND)},
        summary="Show a document",
    )
    async def show(document_id: str, request: Request, collection: Collection = None) -> Response:
        check_document_id(document_id)
        return json_reply(
            wire.wire_document(await ingestor.document(collection or default, document_id, context_of(request)))
        )

    @router.delete(
        "/v1/documents/{document_id:path}",
        responses={200: {"model": wire.Deleted}, **faults(403, 404, *BEHIND)},
        summary="Delete a document",
    )
    async def delete(
        document_id: str,
        request: Request,
        collection: Collection = None,
        stream: Annotated[ShortText | None, Query(description=syncing.STREAM_IS)] = None,
        partition: Annotated[syncing.Whole | None, Query()] = None,
        position: Annotated[syncing.Whole | None, Query()] = None,
    ) -> Response:
        check_document_id(document_id)
        event = syncing.position_of(stream, partition, position)
        if not await ingestor.delete(collection or default, document_id, context_of(request), event):
            raise UnknownDocument(f"There is no document {document_id!r}.", param="id")
        return json_reply(wire.Deleted(id=document_id))

    return router


async def _put_item(
    ingestor: Ingestor, collection: str, item: wire.PutItem, context: RequestContext
) -> wire.BatchOutcome:
    document = RawDocument(
        id=item.id,
        body=item.text.encode(),
        source=item.source or item.id,
        media_type=item.media_type,
        title=item.title,
        modified_at=item.modified_at,
        tags=tuple(item.tags),
        author=item.author,
        created_at=item.created_at,
        language=item.language,
        path=item.path,
        acl=tuple(item.acl),
    )
    try:
        outcome = _accepted(await ingestor.put(collection, document, context))
    except DocumentRejected as error:
        # One bad document does not stop the others; a full disk or a wrong recipe does.
        return wire.BatchOutcome(id=item.id, status="failed", chunks=0, reason=error.reason, message=error.message)
    except PermissionDenied as error:
        return wire.BatchOutcome(id=item.id, status="failed", chunks=0, reason=error.code, message=error.message)
    return wire.BatchOutcome.model_validate({"id": item.id, "status": outcome.status, "chunks": outcome.chunks})


def _accepted(outcome: IngestOutcome) -> IngestOutcome:
    if outcome.status == "failed":
        raise DocumentRejected(
            outcome.message or "The document could not be read.", reason=outcome.reason or "unreadable"
        )
    return outcome


def _media_type(request: Request) -> str | None:
    declared = request.headers.get("content-type", "").strip()
    return None if declared.partition(";")[0].strip().lower() in _UNTOLD else declared
