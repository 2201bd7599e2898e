"""A page by its URL: what a real server may answer, and what becomes of it."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from fakes.live_aiohttp import live_aiohttp
from tandem.adapters.sources.place import source_of
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b"x" * 1000)
    return response


async def _silent(_request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    raise AssertionError


async def _cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"short")
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """The address of a small site on loopback."""

    async def page(_request: web.Request) -> web.Response:
        headers = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        return web.Response(text="<h1>Hi</h1>", content_type="text/html", charset="latin-1", headers=headers)

    async def away(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/page")

    async def around(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/around")

    app = web.Application()
    app.add_routes(
        [
            web.get("/page", page),
            web.get("/away", away),
            web.get("/around", around),
            web.get("/endless", _endless),
            web.get("/silent", _silent),
            web.get("/cut", _cut),
        ]
    )
    async with live_aiohttp(app) as url:
        yield url


async def _read(url: str, timeout_s: float = 30.0) -> RawDocument:
    listing = await source_of(url, max_document_bytes=10_000, timeout_s=timeout_s).listing()
    (ref,) = listing.refs
    assert listing.roots == ()
    read = await ref.read()
    assert read is not None
    return read


@pytest.mark.parametrize("path", ["/page", "/away"])
async def test_a_page_keeps_the_url_it_was_named_by(site: str, path: str) -> None:
    document = await _read(site + path)
    assert (document.id, document.source, document.body) == (site + path, site + path, b"<h1>Hi</h1>")
    assert document.media_type == "text/html; charset=latin-1"
    assert document.modified_at == 1445412480.0


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "unreachable"),
        ("/around", "unreachable"),
        ("/cut", "unreachable"),
        ("/endless", "too_large"),
        ("/silent", "timeout"),
    ],
)
async def test_what_cannot_be_had_says_why(site: str, path: str, reason: str) -> None:
    with pytest.raises(DocumentRejected) as caught:
        await _read(site + path, timeout_s=0.5 if path == "/silent" else 30.0)
    assert caught.value.reason == reason
    assert path in caught.value.message


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(DocumentRejected, match="cannot be fetched") as caught:
        await _read(f"http://127.0.0.1:{address[1]}/")
    assert caught.value.reason == "unreachable"
