"""Qdrant's REST over qdrant-client's own engine, as far as this product speaks it: `python qdrant_server.py PORT`.

For clusters that have no Qdrant server. It stands alone: a pod of the product's image runs this very file.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from pydantic_core import to_jsonable_python
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as m
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Call = Callable[[AsyncQdrantClient, str, Any], Awaitable[Any]]


async def create(client: AsyncQdrantClient, name: str, body: Any) -> bool:
    """With the lineage beside it."""
    asked = m.CreateCollection.model_validate(body)
    return await client.create_collection(
        name,
        vectors_config=asked.vectors,
        sparse_vectors_config=asked.sparse_vectors,
        metadata=asked.metadata,
    )


async def index(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """This engine scans: asked for and done."""
    del body
    await client.get_collection(name)
    return m.UpdateResult(operation_id=0, status=m.UpdateStatus.COMPLETED)


async def upsert(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """A list of points."""
    return await client.upsert(name, m.PointsList.model_validate(body).points)


async def delete(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """Those of a filter."""
    return await client.delete(name, m.FilterSelector.model_validate(body))


async def set_payload(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """Of those of a filter."""
    asked = m.SetPayload.model_validate(body)
    assert asked.filter is not None
    return await client.set_payload(name, asked.payload, points=asked.filter)


async def retrieve(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """By their ids."""
    asked = m.PointRequest.model_validate(body)
    return await client.retrieve(
        name, asked.ids, with_payload=asked.with_payload or False, with_vectors=asked.with_vector or False
    )


async def scroll(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """A page, and where the next one begins."""
    asked = m.ScrollRequest.model_validate(body)
    points, following = await client.scroll(
        name,
        scroll_filter=asked.filter,
        limit=asked.limit or 10,
        offset=asked.offset,
        with_payload=asked.with_payload or False,
        with_vectors=asked.with_vector or False,
    )
    return {"points": points, "next_page_offset": following}


async def count(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """Exactly."""
    return await client.count(name, count_filter=m.CountRequest.model_validate(body).filter)


async def facet(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """Values of a field."""
    asked = m.FacetRequest.model_validate(body)
    return await client.facet(name, asked.key, facet_filter=asked.filter, limit=asked.limit or 10)


async def query(client: AsyncQdrantClient, name: str, body: Any) -> Any:
    """Several at once."""
    return await client.query_batch_points(name, m.QueryRequestBatch.model_validate(body).searches)


_OF_COLLECTION: tuple[tuple[str, str, Call], ...] = (
    ("PUT", "", create),
    ("GET", "", lambda client, name, _: client.get_collection(name)),
    ("PATCH", "", lambda client, name, body: client.update_collection(name, metadata=body["metadata"])),
    ("DELETE", "", lambda client, name, _: client.delete_collection(name)),
    ("PUT", "/index", index),
    ("PUT", "/points", upsert),
    ("POST", "/points", retrieve),
    ("POST", "/points/delete", delete),
    ("POST", "/points/payload", set_payload),
    ("POST", "/points/scroll", scroll),
    ("POST", "/points/count", count),
    ("POST", "/points/query/batch", query),
    ("POST", "/facet", facet),
)


async def aliases(client: AsyncQdrantClient, _: str, body: Any) -> bool:
    """All changes at once."""
    return await client.update_collection_aliases(m.ChangeAliasesOperation.model_validate(body).actions)


_OF_SERVER: tuple[tuple[str, str, Call], ...] = (
    ("GET", "/collections", lambda client, _, __: client.get_collections()),
    ("GET", "/aliases", lambda client, _, __: client.get_aliases()),
    ("POST", "/collections/aliases", aliases),
)


def application() -> Starlette:
    """With a store of its own, in memory."""
    client = AsyncQdrantClient(location=":memory:")
    named = [(method, f"/collections/{{name}}{path}", call) for method, path, call in _OF_COLLECTION]
    return Starlette(
        routes=[Route(path, _endpoint(client, call), methods=[method]) for method, path, call in (*_OF_SERVER, *named)]
    )


def _endpoint(client: AsyncQdrantClient, call: Call) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await request.json() if int(request.headers.get("content-length", 0)) else None
        try:
            found = await call(client, request.path_params.get("name", ""), body)
        except ValueError as error:
            status = 404 if "not found" in str(error) else 409 if "already exists" in str(error) else 400
            return JSONResponse({"status": {"error": str(error)}, "time": 0.0}, status)
        return JSONResponse({"result": to_jsonable_python(found), "status": "ok", "time": 0.0})

    return answer


if __name__ == "__main__":
    uvicorn.run(application(), host="0.0.0.0", port=int(sys.argv[1]), log_level="warning")
