"""Servers that a request needs are told whose trace they work for: embedding, reranking, Qdrant over both its transports."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from aiohttp import web

from fakes.live_aiohttp import live_aiohttp
from tandem.adapters.embeddings.remote import tei_embedder
from tandem.adapters.qdrant.server import qdrant_vectors
from tandem.adapters.rerankers.tei import tei_reranker
from tandem.domain.context import RequestContext
from tandem.domain.document import Chunk
from tandem.domain.errors import TandemError
from tandem.domain.passage import Passage
from tandem.domain.span import SpanContext
from tandem.domain.steps import Step, Work, enter, leave

SPAN = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", state="acme=1")
CONTEXT = RequestContext("r-1", span=SPAN)
Heard = list[dict[str, str]]


@pytest.fixture(autouse=True)
def running() -> Iterator[None]:
    """A request is being served."""
    token = enter(Work(SPAN, lambda: 0.0, 0.0))
    yield
    leave(token)


@asynccontextmanager
async def listening(answers: dict[str, object]) -> AsyncIterator[tuple[str, Heard]]:
    """A server that answers by path with this JSON, and what it was sent in headers."""
    heard: Heard = []

    async def handle(request: web.Request) -> web.Response:
        heard.append({name.lower(): value for name, value in request.headers.items()})
        found = answers.get(request.path)
        return web.json_response(found, status=200 if request.path in answers else 404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with live_aiohttp(app) as url:
        yield url, heard


def told(heard: dict[str, str]) -> tuple[str | None, str | None]:
    return heard.get("traceparent"), heard.get("tracestate")


async def test_an_embedding_server() -> None:
    info = {"model_id": "m", "max_input_length": 128}
    async with listening({"/info": info, "/embed": [[1.0, 0.0]]}) as (url, heard), tei_embedder(url) as embedder:
        with Step("embed"):
            await embedder.embed(["a"], "query")
    assert told(heard[-1]) == (SPAN.child("embed").traceparent, "acme=1")


async def test_a_reranker() -> None:
    passage = Passage(Chunk("a", 0, "text", (), 0, 4, 1), "a", "a")
    async with listening({"/rerank": [{"index": 0, "score": 0.5}]}) as (url, heard), tei_reranker(url) as reranker:
        with Step("rerank"):
            await reranker.score("q", [passage], CONTEXT)
    assert told(heard[-1]) == (SPAN.child("rerank").traceparent, "acme=1")


async def test_qdrant_over_rest() -> None:
    async with listening({}) as (url, heard), qdrant_vectors(url) as vectors:
        with Step("search"), suppress(TandemError):
            await vectors.versions("docs")
    assert heard
    assert {told(each) for each in heard} == {(SPAN.child("search").traceparent, "acme=1")}


async def test_qdrant_over_grpc() -> None:
    heard: Heard = []

    class Listening(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
            heard.append({str(key): str(value) for key, value in handler_call_details.invocation_metadata})

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Listening(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with qdrant_vectors("http://127.0.0.1:9", grpc_port=port) as vectors:
            with Step("search"), suppress(TandemError):
                await vectors.versions("docs")
    finally:
        await server.stop(0)
    assert heard
    assert {told(each) for each in heard} == {(SPAN.child("search").traceparent, "acme=1")}
