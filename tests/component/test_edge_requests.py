"""Requests that could be read in two ways, that are too large, or that are no HTTP at all: one answer, then the end."""

import asyncio
import contextlib
from typing import Any

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from fakes.api import Api
from fakes.edge import Edge, edge, open_files, post, statuses
from tandem.http.edge.census import Closed

HOST = "Host: localhost\r\n"
CHUNKED = f"POST /v1/retrieve HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

MALFORMED = {
    "two lengths": f"POST /livez HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc{SMUGGLED}",
    "two equal lengths": f"POST /livez HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": f"POST /livez HTTP/1.1\r\n{HOST}Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": f"POST /livez HTTP/1.1\r\n{HOST}Content-Length: +3\r\n\r\nabc",
    "a huge length": f"POST /livez HTTP/1.1\r\n{HOST}Content-Length: {10**30}\r\n\r\nabc",
    "length and chunks": f"{CHUNKED}Content-Length: 3\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "chunks and length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then identity": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": f"{CHUNKED}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "chunks in HTTP/1.0": f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a folded header": f"GET /livez HTTP/1.1\r\n{HOST}X-A: b\r\n c\r\n\r\n",
    "a folded coding": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": "GET /livez HTTP/1.1\nHost: localhost\n\n",
    "one bare line feed": "GET /livez HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n",
    "a bare carriage return": "GET /livez HTTP/1.1\r\nHost: localhost\rX-A: b\r\n\r\n",
    "space before the colon": f"POST /livez HTTP/1.1\r\n{HOST}Content-Length : 3\r\n\r\nabc",
    "space before a header": f"GET /livez HTTP/1.1\r\n {HOST}\r\n",
    "no header name": f"GET /livez HTTP/1.1\r\n{HOST}: b\r\n\r\n",
    "a null in a value": f"GET /livez HTTP/1.1\r\n{HOST}X-A: a\x00b\r\n\r\n",
    "a null in a name": f"GET /livez HTTP/1.1\r\n{HOST}X\x00A: b\r\n\r\n",
    "no host": "GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": f"GET /livez HTTP/1.1\r\n{HOST}Host: elsewhere\r\n\r\n",
    "a space in the URL": f"GET /li vez HTTP/1.1\r\n{HOST}\r\n",
    "a tab in the URL": f"GET /li\tvez HTTP/1.1\r\n{HOST}\r\n",
    "a tunnel": f"CONNECT localhost:80 HTTP/1.1\r\n{HOST}\r\n",
    "HTTP/1.2": f"GET /livez HTTP/1.2\r\n{HOST}\r\n",
    "HTTP/2's preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00",
    "a chunk with no end": f"{CHUNKED}\r\n3\r\nabcX\r\n0\r\n\r\n",
    "a negative chunk": f"{CHUNKED}\r\n-3\r\nabc\r\n0\r\n\r\n",
    "a hexadecimal prefix": f"{CHUNKED}\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size that overflows": f"{CHUNKED}\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "an extension that ends in a line feed": f"{CHUNKED}\r\n3;a\nabc\r\n0\r\n\r\n",
}
REFUSED = {
    **{name: (400, request) for name, request in MALFORMED.items()},
    "an unknown coding": (501, f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "a coding nobody knows": (501, f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "HTTP/2.0 in a request line": (505, f"GET /livez HTTP/2.0\r\n{HOST}\r\n"),
    "HTTP/0.9": (505, "GET /livez\r\n\r\n"),
    "a large header": (431, f"GET /livez HTTP/1.1\r\n{HOST}X-A: {'a' * 70_000}\r\n\r\n"),
    "many headers": (431, f"GET /livez HTTP/1.1\r\n{HOST}" + "X-A: b\r\n" * 20_000 + "\r\n"),
    "a large URL": (431, f"GET /{'a' * 70_000} HTTP/1.1\r\n{HOST}\r\n"),
}


async def _one_refusal(server: Edge, request: bytes, status: int) -> None:
    answer = await server.answer(request)
    assert statuses(answer) == [status], answer
    assert b"connection: close" in answer.lower()
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]


async def test_what_is_malformed_gets_one_answer_and_the_end() -> None:
    api = Api()
    async with edge(api.app, lifecycle=api.lifecycle) as server:
        base = open_files()
        for name, (status, request) in REFUSED.items():
            try:
                await _one_refusal(server, request.encode("latin-1"), status)
            except AssertionError as error:
                raise AssertionError(name) from error
        for client in server.clients:
            client.close()
        await server.settled()
        assert open_files() == base
        assert server.closed(Closed.malformed) + server.closed(Closed.large_head) == len(REFUSED)
        # The one that asks.
        assert b"tandem_requests_in_flight 1.0" in await server.answer(b"GET /metrics HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("name", ["two lengths", "length and chunks", "bare line feeds", "a chunk with no end", "TLS"])
async def test_it_makes_no_difference_how_the_bytes_come(name: str) -> None:
    api = Api()
    async with edge(api.app) as server:
        client = await server.client()
        for byte in MALFORMED[name].encode("latin-1"):
            try:
                await client.send(bytes([byte]))
            except ConnectionError:
                break
            await asyncio.sleep(0)
        answer = await client.rest()
    assert statuses(answer) in ([400], []), answer


async def test_a_large_head_is_refused_before_it_is_complete() -> None:
    async with edge(Api().app, max_header_bytes=4096) as server:
        client = await server.client()
        await client.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        for _ in range(3):
            await client.send(b"a" * 2000)
            await asyncio.sleep(0.01)
        assert statuses(await client.rest()) == [431]


async def _taken(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and tells what came."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    names = [name.decode() for name, _ in scope["headers"]]
    told = orjson.dumps({"size": size, "path": scope["path"], "query": scope["query_string"].decode(), "names": names,
                         "host": dict(scope["headers"]).get(b"host", b"").decode()})  # fmt: skip
    headers = [(b"content-length", str(len(told)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


async def _told(server: Edge, request: str) -> Any:
    client = await server.client()
    await client.send(request.encode())
    return orjson.loads((await client.until(b"}")).partition(b"\r\n\r\n")[2])


async def test_trailers_change_nothing_and_extensions_are_bounded() -> None:
    head = f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
    async with edge(_taken, max_header_bytes=4096) as server:
        told = await _told(server, f"{head}3;a=b\r\nabc\r\n0\r\nAuthorization: Bearer other\r\n\r\n")
        assert told["size"] == 3
        assert told["names"] == ["host", "transfer-encoding"]
        for abuse in (f"3;{'x' * 300_000}\r\nabc\r\n0\r\n\r\n", "0\r\n" + "X-A: b\r\n" * 40_000 + "\r\n"):
            answer = await server.answer((head + abuse).encode())
            assert statuses(answer) == [400]
        # Small chunks are no abuse.
        told = await _told(server, head + "1\r\na\r\n" * 20_000 + "0\r\n\r\n")
        assert told["size"] == 20_000


async def test_an_absolute_url_names_the_host() -> None:
    async with edge(_taken) as server:
        told = await _told(server, f"GET http://elsewhere:81/a?b=c HTTP/1.1\r\n{HOST}\r\n")
        assert (told["host"], told["path"], told["query"]) == ("elsewhere:81", "/a", "b=c")
        assert (await _told(server, f"GET http://elsewhere HTTP/1.1\r\n{HOST}\r\n"))["path"] == "/"
        assert (await _told(server, f"GET //elsewhere/a HTTP/1.1\r\n{HOST}\r\n"))["path"] == "//elsewhere/a"
    api = Api(local_only=True)
    async with edge(api.app) as server:
        client = await server.client()
        await client.send(b"GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert statuses(await client.until(b"\r\n\r\n")) == [400]


async def test_http_1_0_gets_one_answer_whatever_it_asks_for() -> None:
    async with edge(Api().app) as server:
        answer = await server.answer(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
    assert statuses(answer) == [200]
    assert b"connection: close" in answer


async def test_an_upgrade_is_answered_as_if_not_asked_for() -> None:
    asked = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with edge(Api().app) as server:
        assert statuses(await server.answer((asked + SMUGGLED).encode())) == [200]


async def test_requests_sent_ahead_are_answered_in_their_turn() -> None:
    async with edge(_taken) as server:
        client = await server.client()
        requests = [post(b"x" * n, path=f"/{n}") for n in range(30)]
        await client.send(b"".join(requests[:20]))
        for request in requests[20:]:
            await client.send(request[:30])
            await asyncio.sleep(0.005)
            await client.send(request[30:])
        got = await client.until(b'"path":"/29"')
        await client.until(b"}") if not got.endswith(b"}") else None
        assert [got.index(f'"path":"/{n}"'.encode()) for n in range(30)] == sorted(
            got.index(f'"path":"/{n}"'.encode()) for n in range(30)
        )
        assert statuses(got) == [200] * 30


async def test_a_bad_request_behind_a_running_one_leaves_its_answer_whole() -> None:
    release = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await release.wait()
        await send({"type": "http.response.body", "body": b"two"})

    async with edge(slow) as server:
        client = await server.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nNONSENSE\r\n\r\n")
        got = await client.until(b"one\r\n")
        release.set()
        got += await client.rest()
        assert statuses(got) == [200]
        assert got.endswith(b"3\r\ntwo\r\n0\r\n\r\n")


async def test_endless_requests_ahead_of_their_turn_end_the_connection() -> None:
    left = asyncio.Event()

    async def waits(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with edge(waits) as server:
        client = await server.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):
                await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
                await asyncio.sleep(0)
        assert await client.rest() == b""
        async with asyncio.timeout(5):
            await left.wait()
        await server.settled()
        assert server.closed(Closed.pipelined) == 1
