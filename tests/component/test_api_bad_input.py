"""Whatever is sent, the answer is a typed error in one shape."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yarl

from fakes.api import Api
from fakes.live import live
from tandem.retrieval.neighbours import MOST_NEIGHBOURS

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}


def chat(content: Any = "When?", **more: Any) -> dict[str, Any]:
    return {"model": "tandem", "messages": [{"role": "user", "content": content}], **more}


def turns(*messages: tuple[str, Any]) -> dict[str, Any]:
    return {"model": "tandem", "messages": [{"role": role, "content": content} for role, content in messages]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with live(Api().app) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url) as session:
        yield session


async def told(reply: aiohttp.ClientResponse, status: int, code: str, param: str | None = "any") -> dict[str, Any]:
    answer: dict[str, Any] = await reply.json()
    assert (reply.status, answer["error"]["code"]) == (status, code), answer
    assert set(answer["error"]) >= {"message", "type", "code", "param"}
    assert answer["error"]["message"].strip()
    if param != "any":
        assert answer["error"]["param"] == param, answer
    return answer


BAD_CHATS: list[tuple[Any, str, str | None]] = [
    (chat(""), "invalid_request", "messages.0.content"),
    (chat("  \n"), "invalid_request", "messages.0.content"),
    (chat("x" * 32_001), "invalid_request", "messages.0.content"),
    (chat("x" * 1_000_000), "invalid_request", "messages.0.content"),
    (chat("a\x00b"), "invalid_request", "messages.0.content"),
    (chat(None), "invalid_request", "messages.0.content"),
    (chat(7), "invalid_request", "messages.0.content"),
    (chat([]), "invalid_request", "messages.0.content"),
    (chat([IMAGE]), "unsupported_content", "messages.0.content.0"),
    (
        chat([{"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {}}]),
        "unsupported_content",
        "messages.0.content.1",
    ),
    (chat([{"type": "text"}]), "invalid_request", "messages.0.content.0.text"),
    (chat(stream="yes"), "invalid_request", "stream"),
    (chat(stream=1), "invalid_request", "stream"),
    (chat(max_tokens=False), "invalid_request", "max_tokens"),
    (chat(max_tokens=0), "invalid_request", "max_tokens"),
    (chat(max_tokens="5"), "invalid_request", "max_tokens"),
    (chat(temperature=-1), "invalid_request", "temperature"),
    (chat(temperature=9), "invalid_request", "temperature"),
    (chat(top_p=0), "invalid_request", "top_p"),
    (chat(stop=["a"] * 5), "invalid_request", "stop"),
    (chat(stop=""), "invalid_request", "stop"),
    (chat(seed=1.5), "invalid_request", "seed"),
    (chat(seed=2**63), "invalid_request", "seed"),
    (chat(n=2), "invalid_request", "n"),
    (chat(tools=[{"type": "function"}]), "invalid_request", "tools"),
    (chat(functions=[{}]), "invalid_request", "functions"),
    (chat(response_format={"type": "json_object"}), "invalid_request", "response_format"),
    (chat(logprobs=True), "invalid_request", "logprobs"),
    (chat(modalities=["audio"]), "invalid_request", "modalities"),
    (chat(model=5), "invalid_request", "model"),
    (chat(tandem={"limit": False}), "invalid_request", "tandem.limit"),
    (chat(tandem={"top_k": False}), "invalid_request", "tandem.top_k"),
    (chat(tandem={"top_k": 51}), "invalid_request", "tandem.top_k"),
    (chat(tandem={"diversity": 1.01}), "invalid_request", "tandem.diversity"),
    (chat(tandem={"diversity": "much"}), "invalid_request", "tandem.diversity"),
    (chat(tandem={"collection": "../x"}), "invalid_request", "tandem.collection"),
    (chat(tandem={"prompt": "../answer"}), "invalid_request", "tandem.prompt"),
    (chat(tandem={"explain": "yes"}), "invalid_request", "tandem.explain"),
    (chat(tandem={"filters": {"colour": "red"}}), "invalid_request", "tandem.filters.colour"),
    (chat(tandem={"filters": {"tags": {"gte": 1}}}), "invalid_request", "tandem.filters.tags"),
    (chat(tandem={"filters": {"modified_at": "2024"}}), "invalid_request", "tandem.filters.modified_at"),
    (chat(tandem={"filters": {"modified_at": {}}}), "invalid_request", "tandem.filters.modified_at"),
    (chat(tandem={"filters": {"tags": []}}), "invalid_request", "tandem.filters.tags"),
    (chat(tandem=[]), "invalid_request", "tandem"),
    (chat(stream_options={"include_usage": "yes"}, stream=True), "invalid_request", "stream_options.include_usage"),
    ({"model": "tandem"}, "invalid_request", "messages"),
    ({"model": "tandem", "messages": []}, "invalid_request", "messages"),
    ({"model": "tandem", "messages": "hi"}, "invalid_request", "messages"),
    ({"model": "tandem", "messages": [{"content": "hi"}]}, "invalid_request", "messages.0.role"),
    (turns(("system", "be kind")), "invalid_request", "messages"),
    (turns(("wizard", "hi")), "invalid_request", "messages.0.role"),
    (turns(("user", "hi"), ("assistant", "Well")), "invalid_request", "messages"),
    (turns(("tool", "42"), ("user", "hi")), "unsupported_content", "messages.0.role"),
    (turns(*[("user", "hi")] * 257), "invalid_request", "messages"),
    (turns(*[("user", "hi")] * 10_000), "invalid_request", "messages"),
    ([], "invalid_request", None),
    ("text", "invalid_request", None),
    (None, "invalid_request", None),
]


@pytest.mark.parametrize(("body", "code", "param"), BAD_CHATS)
async def test_bad_chats(http: aiohttp.ClientSession, body: Any, code: str, param: str | None) -> None:
    async with http.post("/v1/chat/completions", json=body) as reply:
        await told(reply, 400, code, param)


BAD_BYTES = [
    b"",
    b"{",
    b"\xff\xfe",
    b'{"model": "tandem", "messages": [{"role": "user", "content": "\xe4"}]}',
    b'{"model": "tandem", "messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"model": "tandem", "messages": [{"role": "user", "content": "hi"}], "temperature": NaN}',
    b'{"a":' * 5_000,
    b"[" * 100_000 + b"]" * 100_000,
]


@pytest.mark.parametrize("raw", BAD_BYTES, ids=range(len(BAD_BYTES)))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/retrieve"])
async def test_bad_bytes(http: aiohttp.ClientSession, raw: bytes, path: str) -> None:
    async with http.post(path, data=raw, headers=JSON) as reply:
        await told(reply, 400, "invalid_request")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_a_body_that_is_not_declared_as_json(http: aiohttp.ClientSession, content_type: str) -> None:
    async with http.post(
        "/v1/chat/completions", data=json.dumps(chat()).encode(), headers={"content-type": content_type}
    ) as reply:
        await told(reply, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": " \t"}, "query"),
        ({"query": "a\x00"}, "query"),
        ({"query": "x" * 32_001}, "query"),
        ({"query": "q", "limit": False}, "limit"),
        ({"query": "q", "top_k": "3"}, "top_k"),
        ({"query": "q", "diversity": -0.1}, "diversity"),
        ({"query": "q", "neighbours": MOST_NEIGHBOURS + 1}, "neighbours"),
        ({"query": "q", "neighbours": "page"}, "neighbours"),
        ({"query": "q", "neighbours": True}, "neighbours"),
        ({"query": "q", "neighbours": 1.0}, "neighbours"),
        ({"query": "q", "filters": {"nope": "x"}}, "filters.nope"),
        ({"query": "q", "filters": {"tags": [1]}}, "filters.tags.0"),
        ({"query": "q", "filters": {"modified_at": {"gte": "x"}}}, "filters.modified_at.gte"),
    ],
)
async def test_bad_retrievals(http: aiohttp.ClientSession, body: Any, param: str) -> None:
    async with http.post("/v1/retrieve", json=body) as reply:
        await told(reply, 400, "invalid_request", param)


async def test_unknown_openai_fields_are_ignored(http: aiohttp.ClientSession) -> None:
    more = {
        "user": "u",
        "store": True,
        "metadata": {"a": "b"},
        "frequency_penalty": 0.5,
        "invented": [1],
        "tools": [],
        "n": 1,
    }
    async with http.post("/v1/chat/completions", json=chat([{"type": "text", "text": "When?"}], **more)) as reply:
        assert reply.status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("..", 400),
        ("../secret", 400),
        ("%2e%2e/secret", 400),
        ("a/../b", 400),
        ("a/%2e/b", 400),
        ("%2Fetc/passwd", 400),
        ("a%00b", 400),
        ("a%0Ab", 400),
        ("a%5Cb", 400),
        ("a%FFb", 400),
        ("", 400),
        ("%20", 400),
        ("x" * 513, 400),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_bad_document_ids(http: aiohttp.ClientSession, url: str, method: str, path: str, status: int) -> None:
    place = yarl.URL(f"{url}/v1/documents/{path}", encoded=True)
    async with http.request(method, place, data=b"text" if method == "PUT" else None) as reply:
        await told(reply, status, "invalid_request")


@pytest.mark.parametrize(
    "query", ["limit=false", "limit=0", "limit=1001", "limit=x", "collection=..%2Fx", "after=%00", "after=%FF"]
)
async def test_bad_listings(http: aiohttp.ClientSession, url: str, query: str) -> None:
    async with http.get(yarl.URL(f"{url}/v1/documents?{query}", encoded=True)) as reply:
        await told(reply, 400, "invalid_request")


@pytest.mark.parametrize(
    "query",
    [
        "modified_at=inf",
        "modified_at=x",
        "tags=",
        "title=a%00",
        "collection=A",
        "acl=",
        "acl=a%0Ab",
        "acl=%20",
        "author=",
        "path=%2Fetc",
        "path=a%2F..%2Fb",
        "language=english",
        "created_at=nan",
    ],
)
async def test_bad_puts(http: aiohttp.ClientSession, url: str, query: str) -> None:
    async with http.put(yarl.URL(f"{url}/v1/documents/a?{query}", encoded=True), data=b"x") as reply:
        await told(reply, 400, "invalid_request")


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [{"id": "a"}],
        [{"id": "../a", "text": "x"}],
        [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}],
        [{"id": "a", "text": "x", "extra": 1}],
        [{"id": "a", "text": "x\x00"}],
        [{"id": str(n), "text": "x"} for n in range(1001)],
    ],
)
async def test_bad_batches_write_nothing(http: aiohttp.ClientSession, documents: Any) -> None:
    async with http.put("/v1/documents", json={"documents": documents, "collection": "untouched"}) as reply:
        await told(reply, 400, "invalid_request")
    async with http.get("/v1/collections/untouched") as reply:
        await told(reply, 404, "collection_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("POST", "/v1/documents", "GET, PUT"),
        ("POST", "/v1/documents/a/b", "DELETE, GET, PUT"),
        ("PATCH", "/v1/collections/docs", "DELETE, GET"),
        ("DELETE", "/livez", "GET"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    http: aiohttp.ClientSession, method: str, path: str, allow: str
) -> None:
    async with http.request(method, path) as reply:
        await told(reply, 405, "method_not_allowed")
        assert reply.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/chat/completions/", "/v1/models/nobody", "/.env", "//livez"])
async def test_unknown_places(http: aiohttp.ClientSession, url: str, path: str) -> None:
    async with http.get(yarl.URL(url + path, encoded=True)) as reply:
        assert (reply.status, (await reply.json())["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "abc", "", "1e3", "9999999999", "٣"])
async def test_bad_deadlines(http: aiohttp.ClientSession, value: str) -> None:
    async with http.get("/v1/models", headers={"x-request-timeout-ms": value}) as reply:
        await told(reply, 400, "invalid_request", "x-request-timeout-ms")


async def test_a_body_that_does_not_come(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    for method, path in (("POST", "/v1/chat/completions"), ("PUT", "/v1/documents/a")):
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n"
        writer.write(head.encode() + b"x-request-timeout-ms: 50\r\n\r\n{")
        answer = await reader.readuntil(b"}}")
        writer.close()
        assert b" 504 " in answer.partition(b"\r\n")[0] + b" "
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["stage"] == "reading the body"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/chat/completions"), ("PUT", "/v1/documents/a"), ("PUT", "/v1/documents")]
)
async def test_a_body_over_its_limit(chunked: bool, method: str, path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1_000

    async with (
        live(Api(max_body_bytes=10_000, max_document_bytes=15_000).app) as url,
        aiohttp.ClientSession(url) as http,
    ):
        async with http.request(method, path, data=pieces() if chunked else b"x" * 20_000, headers=JSON) as reply:
            answer = await told(reply, 413, "payload_too_large")
        assert ("15,000" if "documents" in path else "10,000") in answer["error"]["message"]
        async with http.put("/v1/documents/fits", data=b"x" * 12_000) as reply:
            assert reply.status == 200
