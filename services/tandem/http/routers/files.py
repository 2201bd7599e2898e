"""OpenAI's Files API, for what batches read and write."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from tandem.domain.batch import Purpose, StoredFile
from tandem.domain.errors import InvalidRequest
from tandem.http.exchange import exchange_of, reader_of
from tandem.http.json_route import JsonRoute
from tandem.http.reply import json_reply
from tandem.http.uploads import Upload
from tandem.http.wire import batches as wire
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import ShortText
from tandem.pipeline.batches.desk import BatchDesk
from tandem.ports.clock import Clock

ROOT = "/v1/files"
FileId = Annotated[str, Path(description="id of the file.")]
_MAX_NAME = 255
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["purpose", "file"],
                    "properties": {
                        "purpose": {"type": "string", "enum": ["batch"]},
                        "file": {"type": "string", "format": "binary", "description": "JSON lines."},
                    },
                }
            }
        },
    }
}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file's bytes.", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}
}


def files_router(
    desk: BatchDesk, *, clock: Clock, keep_s: float, new_id: Callable[[], str] = lambda: uuid4().hex
) -> APIRouter:
    """Uploads are kept for `keep_s`."""
    router = APIRouter(tags=["batches"], route_class=JsonRoute)

    @router.post(
        ROOT,
        responses={200: {"model": wire.WireFile}, **faults(507, *BEHIND)},
        openapi_extra=_FORM,
        summary="Upload a file of questions",
    )
    async def upload(request: Request) -> Response:
        exchange, now = exchange_of(request.scope), clock.epoch_s()
        form = Upload(request)
        await form.begin()
        file = StoredFile(
            f"file-{new_id()}",
            form.filename[:_MAX_NAME] or "upload.jsonl",
            "batch",
            now,
            now + keep_s,
            tenant=exchange.tenant,
            caller=exchange.caller,
            groups=exchange.groups,
            user=exchange.caller if exchange.person else None,
        )
        return json_reply(wire.wire_file(await desk.upload(file, _for_batches(form))))

    @router.get(ROOT, responses={200: {"model": wire.WireFiles}, **faults(*BEHIND)}, summary="List your files")
    async def listing(
        request: Request,
        purpose: Annotated[Purpose | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
        after: Annotated[ShortText | None, Query(description="id of the last file of the page before.")] = None,
    ) -> Response:
        page = await desk.file_page(purpose, reader_of(request), limit=limit, after=after)
        return json_reply(wire.wire_files(page.files, page.more))

    @router.get(
        ROOT + "/{file_id}",
        responses={200: {"model": wire.WireFile}, **faults(404, *BEHIND)},
        summary="What a file is",
    )
    async def file(file_id: FileId, request: Request) -> Response:
        return json_reply(wire.wire_file(await desk.file(file_id, reader_of(request))))

    @router.get(ROOT + "/{file_id}/content", responses=_CONTENT | faults(404, *BEHIND), summary="A file's content")
    async def content(file_id: FileId, request: Request) -> Response:
        found, pieces = await desk.content(file_id, reader_of(request))
        named = {"content-disposition": f'attachment; filename="{found.id}.jsonl"'}
        return StreamingResponse(pieces, media_type="application/octet-stream", headers=named)

    @router.delete(
        ROOT + "/{file_id}",
        responses={200: {"model": wire.WireDeletedFile}, **faults(404, *BEHIND)},
        summary="Delete a file",
    )
    async def delete(file_id: FileId, request: Request) -> Response:
        return json_reply(wire.WireDeletedFile(id=(await desk.delete(file_id, reader_of(request))).id))

    return router


async def _for_batches(form: Upload) -> AsyncIterator[bytes]:
    """Fields may come behind the file: only then is it known what that is for."""
    if "purpose" in form.fields:
        _check(form)
    async for piece in form.content():
        yield piece
    _check(form)


def _check(form: Upload) -> None:
    purpose = form.fields.get("purpose")
    if purpose != "batch":
        told = "is missing" if purpose is None else f"{purpose[:60]!r} is not known here"
        raise InvalidRequest(f"purpose: {told}.", hint="Send purpose=batch.", param="purpose")
