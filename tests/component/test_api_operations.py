"""Probes, metrics, keys, headers, logs: what surrounds every route."""

import asyncio
import hashlib
import logging

import aiohttp
import openai
import pytest

from fakes.answers import ANSWERED, FOUND, ScriptedAnswers
from fakes.api import Api
from fakes.live import live
from tandem.admission.keys import Key
from tandem.domain.errors import Overloaded

KEYS = [
    Key("ci", hashlib.sha256(b"s3cret").hexdigest(), "acme"),
    Key("other", hashlib.sha256(b"0ther").hexdigest(), "north"),
]
BODY = {"model": "tandem", "messages": [{"role": "user", "content": "When?"}]}


async def statuses(http: aiohttp.ClientSession) -> dict[str, int]:
    found = {}
    for path in ("/livez", "/startupz", "/readyz", "/health"):
        async with http.get(path) as reply:
            found[path] = reply.status
    return found


async def test_the_probes_follow_the_lifecycle() -> None:
    api = Api()
    async with live(api.app) as url, aiohttp.ClientSession(url) as http:
        assert await statuses(http) == {"/livez": 200, "/startupz": 503, "/readyz": 503, "/health": 503}
        api.lifecycle.ready()
        assert set((await statuses(http)).values()) == {200}
        api.lifecycle.drain()
        api.lifecycle.ready()
        assert await statuses(http) == {"/livez": 200, "/startupz": 200, "/readyz": 503, "/health": 503}
        async with http.get("/readyz") as reply:
            assert await reply.json() == {"status": "draining", "target": "test", "version": "0.0.0"}
        # Draining stops new traffic from being sent here, not what comes nevertheless.
        async with http.post("/v1/chat/completions", json=BODY) as reply:
            assert reply.status == 200
        async with http.get("/version") as reply:
            assert await reply.json() == {"name": "tandem", "version": "0.0.0", "target": "test"}


async def test_requests_are_counted_before_they_are_admitted() -> None:
    api = Api(keys=KEYS)
    async with live(api.app) as url, aiohttp.ClientSession(url) as http:
        for _ in range(2):
            async with http.post("/v1/chat/completions", json=BODY) as reply:
                assert reply.status == 401
        async with http.get("/v1/documents/a/very/own/name") as reply:
            assert reply.status == 401
        async with http.get("/made-up-by-the-caller") as reply:
            assert reply.status == 401
        async with http.get("/metrics") as reply:
            assert reply.status == 200
            assert reply.content_type == "text/plain"
            text = await reply.text()
    assert 'tandem_requests_total{route="/v1/chat/completions"} 2.0' in text
    assert 'tandem_responses_total{route="/v1/chat/completions",status="401"} 2.0' in text
    assert 'tandem_requests_total{route="/v1/documents/{document_id:path}"} 1.0' in text
    assert 'tandem_requests_total{route="unmatched"} 1.0' in text
    assert "made-up" not in text
    assert "very/own" not in text
    assert 'tandem_build_info{target="test",version="0.0.0"} 1.0' in text


async def test_a_running_request_is_counted_on_arrival() -> None:
    go = asyncio.Event()
    answers = ScriptedAnswers([go, FOUND, ANSWERED])
    api = Api(answers=answers)
    async with live(api.app) as url, aiohttp.ClientSession(url) as http:
        asking = asyncio.create_task(http.post("/v1/chat/completions", json=BODY).__aenter__())
        await answers.entered.wait()
        value = api.metrics.registry.get_sample_value
        assert value("tandem_requests_total", {"route": "/v1/chat/completions"}) == 1
        assert value("tandem_requests_in_flight", {}) == 1
        go.set()
        (await asking).release()
    assert value("tandem_requests_in_flight", {}) == 0
    assert value("tandem_answers_total", {"outcome": "answered"}) == 1
    assert value("tandem_request_seconds_count", {"route": "/v1/chat/completions"}) == 1


async def test_a_shed_request_is_counted_and_its_slot_given_back() -> None:
    api = Api(answers=ScriptedAnswers([Overloaded("full")]))
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=BODY | {"stream": True}) as reply,
    ):
        assert reply.status == 429
    value = api.metrics.registry.get_sample_value
    assert value("tandem_responses_total", {"route": "/v1/chat/completions", "status": "429"}) == 1
    assert value("tandem_requests_in_flight", {}) == 0
    assert value("tandem_time_to_first_token_seconds_count", {}) == 0


async def test_the_first_token_is_timed() -> None:
    api = Api()
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=BODY | {"stream": True}) as reply,
    ):
        await reply.read()
    assert api.metrics.registry.get_sample_value("tandem_time_to_first_token_seconds_count", {}) == 1


async def test_the_key_decides_the_tenant() -> None:
    api = Api(keys=KEYS)
    async with live(api.app) as url:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="s3cret", max_retries=0) as known:
            await known.chat.completions.create(**BODY)  # type: ignore[call-overload]
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="guess", max_retries=0) as unknown:
            with pytest.raises(openai.AuthenticationError) as refused:
                await unknown.chat.completions.create(**BODY)  # type: ignore[call-overload]
        assert refused.value.code == "invalid_api_key"
        async with aiohttp.ClientSession(url) as http:
            headers = {"authorization": "Bearer s3cret", "x-tandem-tenant": "north"}
            async with http.post("/v1/chat/completions", json=BODY, headers=headers) as reply:
                assert reply.status == 401
            async with http.get("/v1/models") as reply:
                assert reply.headers["www-authenticate"] == "Bearer"
    assert [context.tenant for _, context in api.answers.asked] == ["acme"]


async def test_tenants_see_their_own_documents() -> None:
    async with live(Api(keys=KEYS).app) as url, aiohttp.ClientSession(url) as http:
        mine, theirs = {"authorization": "Bearer s3cret"}, {"authorization": "bearer 0ther"}
        async with http.put("/v1/documents/a", data=b"x", headers=mine) as reply:
            assert reply.status == 200
        async with http.get("/v1/documents/a", headers=theirs) as reply:
            assert reply.status == 404
        async with http.delete("/v1/documents/a", headers=theirs) as reply:
            assert reply.status == 404
        async with http.get("/v1/documents/a", headers=mine) as reply:
            assert reply.status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/version", "/openapi.json", "/docs"])
async def test_operations_need_no_key(path: str) -> None:
    async with live(Api(keys=KEYS).app) as url, aiohttp.ClientSession(url) as http, http.get(path) as reply:
        assert reply.status in (200, 503)


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("abc-123", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ("a\tb", False),
        ("<script>", False),
        ("", False),
    ],
)
async def test_a_sane_request_id_is_kept(sent: str, echoed: bool) -> None:
    api = Api()
    async with live(api.app) as url, aiohttp.ClientSession(url) as http:
        async with http.post("/v1/chat/completions", json=BODY, headers={"x-request-id": sent}) as reply:
            got = reply.headers["x-request-id"]
        async with http.get("/nothing") as reply:
            assert len(reply.headers["x-request-id"]) == 32
    assert (got == sent) is echoed
    assert got
    assert api.answers.asked[0][1].request_id == got


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", False),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("garbage", False),
    ],
)
async def test_a_request_goes_on_in_a_sound_trace_and_begins_one_otherwise(sent: str, kept: bool) -> None:
    api = Api()
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=BODY, headers={"traceparent": sent}),
    ):
        pass
    span = api.answers.asked[0][1].span
    assert span is not None
    assert (len(span.trace_id), len(span.span_id)) == (32, 16)
    assert (f"00-{span.trace_id}-{span.parent_id}-01" == sent) is kept
    assert (span.parent_id is None) is not kept


async def test_a_later_version_of_the_header_and_a_list_in_two_go_along() -> None:
    api = Api()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    sent = [("traceparent", f"cc-{trace}-{parent}-00-more"), ("tracestate", "a=1"), ("tracestate", "b=2")]
    async with (
        live(api.app) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/v1/chat/completions", json=BODY, headers=sent),
    ):
        pass
    span = api.answers.asked[0][1].span
    assert span is not None
    assert (span.trace_id, span.parent_id, span.sampled, span.state) == (trace, parent, False, "a=1,b=2")


async def test_answers_tell_browsers_to_do_nothing_with_them() -> None:
    async with live(Api().app) as url, aiohttp.ClientSession(url) as http:
        for path in ("/v1/models", "/nothing", "/livez"):
            async with http.get(path) as reply:
                assert reply.headers["x-content-type-options"] == "nosniff"
                assert reply.headers["content-security-policy"].startswith("default-src 'none'")
                assert reply.headers["x-frame-options"] == "DENY"
                assert reply.headers["cache-control"] == "no-store"
        async with http.get("/docs") as reply:
            page = await reply.text()
            assert "sha256-" in reply.headers["content-security-policy"]
    assert "/v1/chat/completions" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("127.9.9.9", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost.evil.example:8000", 400),
        ("evil.example:127.0.0.1", 400),
        ("", 400),
    ],
)
async def test_a_local_listener_without_keys_answers_to_its_own_names(host: str, status: int) -> None:
    async with (
        live(Api(local_only=True).app) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/v1/models", headers={"host": host}) as reply,
    ):
        assert reply.status == status
        assert status == 200 or (await reply.json())["error"]["param"] == "host"


async def test_keys_make_any_name_fine() -> None:
    headers = {"host": "tandem.example", "authorization": "Bearer s3cret"}
    async with (
        live(Api(local_only=True, keys=KEYS).app) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/v1/models", headers=headers) as reply,
    ):
        assert reply.status == 200


async def test_each_request_leaves_one_line_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tandem.access")
    async with live(Api().app) as url, aiohttp.ClientSession(url) as http:
        async with http.get("/v1/models", headers={"x-request-id": "r-7"}):
            pass
        async with http.get("/livez"):
            pass
    [line] = [record for record in caplog.records if record.name == "tandem.access"]
    assert line.getMessage() == "GET /v1/models 200"
    assert (line.request_id, line.tenant) == ("r-7", "default")  # type: ignore[attr-defined]
