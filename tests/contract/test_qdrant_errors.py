"""What a Qdrant server may answer, in Tandem's own words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fakes.chunks import RECIPE, query
from fakes.live import live
from tandem.adapters.qdrant.server import qdrant_vectors
from tandem.adapters.qdrant.translation import translated
from tandem.domain.errors import (
    ConfigurationError,
    Overloaded,
    StoreFull,
    StoreMismatch,
    TandemError,
    UnknownCollection,
    UpstreamFailed,
    UpstreamUnavailable,
)
from tandem.ports.vectors import Vectors


@asynccontextmanager
async def answering(answer: Response) -> AsyncIterator[Vectors]:
    """A server that says the same to everything."""

    async def reply(_: Request) -> Response:
        return answer

    methods = ["GET", "PUT", "POST", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", reply, methods=methods)])
    async with live(app) as url, qdrant_vectors(url, timeout_s=2) as vectors:
        yield vectors


def said(status: int, error: str, **headers: str) -> JSONResponse:
    return JSONResponse({"status": {"error": error}, "time": 0.0}, status_code=status, headers=headers)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said(404, "Not found: Collection `docs` doesn't exist!"), UnknownCollection),
        (said(401, "Must provide an API key"), UpstreamFailed),
        (said(403, "Invalid API key"), UpstreamFailed),
        (said(400, "Wrong input: Vector dimension error: expected dim: 3, got 32"), UpstreamFailed),
        (said(500, "Service internal error: No space left on device: WAL buffer size exceeds disk"), StoreFull),
        (said(500, "Service internal error: panicked"), UpstreamFailed),
        (said(503, "Service unavailable"), UpstreamUnavailable),
        (Response("<html>bad gateway</html>", status_code=502), UpstreamUnavailable),
        (said(429, "Too many requests", **{"retry-after": "3"}), Overloaded),
        (Response("<html>not Qdrant at all</html>", media_type="text/html"), UpstreamFailed),
    ],
)
async def test_answers_of_a_server(answer: Response, error: type[TandemError]) -> None:
    async with answering(answer) as vectors:
        with pytest.raises(error) as caught:
            await vectors.search("docs", query("tea"))
    assert type(caught.value) is error


async def test_nobody_listens() -> None:
    async with qdrant_vectors("http://127.0.0.1:9", timeout_s=2) as vectors:
        with pytest.raises(UpstreamUnavailable) as caught:
            await vectors.collections("acme")
    assert "vectors.url" in (caught.value.hint or "")


async def test_nobody_listens_over_grpc() -> None:
    async with qdrant_vectors("http://127.0.0.1:9", grpc_port=9, timeout_s=2) as vectors:
        with pytest.raises(UpstreamUnavailable):
            await vectors.search("docs", query("tea"))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.NOT_FOUND, UnknownCollection),
        (grpc.StatusCode.UNAVAILABLE, UpstreamUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, UpstreamUnavailable),
        (grpc.StatusCode.UNAUTHENTICATED, UpstreamFailed),
        (grpc.StatusCode.INTERNAL, UpstreamFailed),
    ],
)
async def test_codes_of_grpc(code: grpc.StatusCode, error: type[TandemError]) -> None:
    nothing = grpc.aio.Metadata()
    with pytest.raises(error):
        async with translated("docs"):
            raise grpc.aio.AioRpcError(code, nothing, nothing, "said the server")


COLLECTION = {
    "status": "green",
    "optimizer_status": "ok",
    "segments_count": 1,
    "config": {
        "params": {},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        },
    },
    "payload_schema": {},
}


LISTS = {"/aliases": {"aliases": []}, "/collections": {"collections": [{"name": "docs"}, {"name": "docs@1"}]}}


async def test_a_collection_of_someone_else_is_left_alone() -> None:
    asked: list[str] = []

    async def reply(request: Request) -> Response:
        asked.append(request.method)
        result = LISTS.get(request.url.path, COLLECTION)
        return JSONResponse({"result": result, "status": "ok", "time": 0.0})

    app = Starlette(routes=[Route("/{path:path}", reply, methods=["GET", "PUT", "POST", "DELETE"])])
    async with live(app) as url, qdrant_vectors(url, timeout_s=2) as vectors:
        with pytest.raises(StoreMismatch) as caught:
            await vectors.ensure_collection("docs@1", RECIPE)
        for name in ("docs", "docs@1"):
            with pytest.raises(UnknownCollection):
                await vectors.drop_collection(name, "default")
    assert caught.value.hint
    assert set(asked) == {"GET"}


async def test_a_server_that_is_too_old() -> None:
    asked: list[tuple[str, str]] = []

    async def reply(request: Request) -> Response:
        asked.append((request.method, request.url.path))
        if request.method in {"PUT", "DELETE"}:
            return JSONResponse({"result": True, "status": "ok", "time": 0.0})
        if request.url.path in LISTS:
            result: dict[str, list[str]] = {request.url.path[1:]: []}
            return JSONResponse({"result": result, "status": "ok", "time": 0.0})
        if ("PUT", request.url.path) in asked:
            return JSONResponse({"result": COLLECTION, "status": "ok", "time": 0.0})
        return said(404, "Not found: Collection `docs` doesn't exist!")

    app = Starlette(routes=[Route("/{path:path}", reply, methods=["GET", "PUT", "DELETE"])])
    async with live(app) as url, qdrant_vectors(url, timeout_s=2) as vectors:
        with pytest.raises(ConfigurationError) as caught:
            await vectors.ensure_collection("docs", RECIPE)
    assert "1.16" in (caught.value.hint or "")
    assert asked[-1] == ("DELETE", "/collections/docs@1")


async def test_a_key_over_plain_http_is_no_warning() -> None:
    async with qdrant_vectors("http://127.0.0.1:9", api_key="secret", timeout_s=2) as vectors:
        with pytest.raises(UpstreamUnavailable) as caught:
            await vectors.collections("acme")
    assert "secret" not in caught.value.message
