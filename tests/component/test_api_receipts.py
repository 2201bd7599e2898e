"""Receipts over the wire."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from fakes.answers import FOUND, ScriptedAnswers
from fakes.api import Api
from fakes.live import live
from fakes.records import ANSWER, PASSAGE, QUESTION, answer_record
from tandem.adapters.scripted.receipts import ScriptedReceipts
from tandem.admission.keys import Key
from tandem.domain.errors import StoreBusy, UpstreamFailed, UpstreamUnavailable
from tandem.domain.record import AnswerRecord


def key(name: str, tenant: str = "acme", **more: Any) -> Key:
    return Key(name, hashlib.sha256(name.encode()).hexdigest(), tenant, **more)


KEYS = [
    key("ann", groups=("hr",)),
    key("bob"),
    key("chief", groups=("*",), admin=True),
    key("rival", "north", groups=("*",), admin=True),
    key("gateway", "default", peer=True),
]


@pytest.fixture
def store() -> ScriptedReceipts:
    return ScriptedReceipts()


@pytest.fixture
async def http(store: ScriptedReceipts) -> AsyncIterator[aiohttp.ClientSession]:
    async with live(Api(receipts=store, keys=KEYS).app) as url, aiohttp.ClientSession(url) as session:
        yield session


async def get(http: aiohttp.ClientSession, who: str, path: str, **params: Any) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {who}"}
    async with http.get(path, params=params, headers=headers) as reply:
        return reply.status, await reply.json()


async def ids(http: aiohttp.ClientSession, who: str, **params: Any) -> list[str]:
    status, page = await get(http, who, "/v1/receipts", **params)
    assert status == 200, page
    return [line["id"] for line in page["data"]]


async def test_a_receipt_has_everything_that_the_answer_came_from(
    http: aiohttp.ClientSession, store: ScriptedReceipts
) -> None:
    await store.keep([answer_record(groups=("hr",), user="u-7")])
    status, told = await get(http, "ann", "/v1/receipts/rcpt-1")
    assert status == 200
    assert told["texts"] == "shown"
    assert told["question"]["text"] == QUESTION and told["question"]["chars"] == len(QUESTION)
    assert told["answer"]["text"] == ANSWER
    assert told["answer"]["citations"] == [{"number": 1, "chunk_id": "harbour.md#0", "start": 2, "end": 7}]
    assert told["prompt"]["template"] == "answer@1" and told["prompt"]["messages"][0]["content"].startswith(PASSAGE)
    assert told["retrieval"]["collection"] == "docs@3"
    assert (told["retrieval"]["embedder"], told["retrieval"]["sparse"]) == ("minilm@1", "bm25-en")
    (passage,) = told["retrieval"]["passages"]
    assert passage["chunk_id"] == "harbour.md#0" and passage["text"] == PASSAGE
    assert passage["scores"]["dense"] == 0.5 and passage["scores"]["rerank"] is None
    assert told["model"] == {
        "id": "llama", "revision": "abc123", "engine": "tgi", "pool": "gpu", "region": "eu", "reason": "preferred",
        "attempts": 1, "allowed_regions": ["eu"], "dataset": "support@3", "training_run": "run-7", "base_model": None,
    }  # fmt: skip
    assert told["usage"] == {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49, "cost": 0.000125}
    assert told["timing"]["first_token_s"] == 0.25
    assert [stage["name"] for stage in told["timing"]["stages"]] == ["retrieval", "generation"]
    assert told["asker"] == {"tenant": "acme", "caller": "ann", "user": "u-7"}
    assert told["scores"] == {"support": 0.75} and told["redacted"] == {"email": 1}
    assert (told["outcome"], told["release"], told["mode"]) == ("answered", "7", "online")


async def test_texts_that_were_not_kept_are_said_to_be_so(http: aiohttp.ClientSession, store: ScriptedReceipts) -> None:
    await store.keep([replace(answer_record(), content=False)])
    for who in ("ann", "bob", "chief"):
        assert (await get(http, who, "/v1/receipts/rcpt-1"))[1]["texts"] == "not_kept"


async def test_an_unknown_id_and_another_tenants_get_the_same_answer(
    http: aiohttp.ClientSession, store: ScriptedReceipts
) -> None:
    await store.keep([answer_record()])
    told = [
        await get(http, "rival", f"/v1/receipts/{id_}")
        for id_ in ("rcpt-1", "rcpt-2", quote("' OR 1=1 --"), "é", "x" * 500)
    ]
    assert [status for status, _ in told] == [404] * len(told)
    assert all(body == told[0][1] for _, body in told)
    assert told[0][1]["error"]["code"] == "receipt_not_found" and told[0][1]["error"]["hint"]


async def test_a_list_in_pages_newest_first_with_filters(http: aiohttp.ClientSession, store: ScriptedReceipts) -> None:
    await store.keep([answer_record(f"rcpt-{number}", began_at=100.1 + number) for number in range(5)])
    await store.keep([answer_record("rcpt-failed", began_at=50, outcome="failed", caller="bob")])
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        _, page = await get(http, "ann", "/v1/receipts", limit=2, **after)
        seen += [line["id"] for line in page["data"]]
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}
    assert seen == ["rcpt-4", "rcpt-3", "rcpt-2", "rcpt-1", "rcpt-0", "rcpt-failed"]
    assert await ids(http, "ann", outcome="failed") == ["rcpt-failed"]
    assert await ids(http, "ann", caller="bob", collection="docs", since=50, until=50.5) == ["rcpt-failed"]
    assert await ids(http, "ann", since=103) == ["rcpt-4", "rcpt-3"]
    assert await ids(http, "rival") == []


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"), ({"limit": 201}, "limit"), ({"limit": "x"}, "limit"), ({"since": "yesterday"}, "since"),
        ({"since": "nan"}, "since"), ({"until": "inf"}, "until"), ({"outcome": "lost"}, "outcome"), ({"after": "x"}, "after"),
        ({"after": "nan,rcpt-1"}, "after"), ({"after": "1e999,a"}, "after"), ({"user": "a\0b"}, "user"), ({"model": "m" * 2_001}, "model"),
    ],
)  # fmt: skip
async def test_what_is_no_filter_is_refused_by_name(
    http: aiohttp.ClientSession, params: dict[str, Any], param: str
) -> None:
    status, told = await get(http, "ann", "/v1/receipts", **params)
    assert status == 400
    assert param in str(told["error"]["param"])


@pytest.mark.parametrize("fault", [UpstreamUnavailable("The state store is away."), StoreBusy("It is held.")])
async def test_a_store_that_is_away_is_told_of(
    http: aiohttp.ClientSession, store: ScriptedReceipts, fault: Exception
) -> None:
    store.fault = fault
    for path in ("/v1/receipts", "/v1/receipts/rcpt-1"):
        assert (await get(http, "ann", path))[0] == 503


async def test_a_store_that_hangs_holds_nobody_beyond_his_deadline() -> None:
    class Hanging(ScriptedReceipts):
        async def receipt(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
            await asyncio.Event().wait()
            raise AssertionError

    headers = {"x-request-timeout-ms": "100"}
    async with (
        live(Api(receipts=Hanging()).app) as url,
        aiohttp.ClientSession(url, headers=headers) as session,
        session.get("/v1/receipts/rcpt-1") as reply,
    ):
        assert (reply.status, (await reply.json())["error"]["stage"]) == (504, "state")


async def test_every_answer_names_its_receipt_and_failures_do(store: ScriptedReceipts) -> None:
    body = {"model": "tandem", "messages": [{"role": "user", "content": "When?"}]}
    for steps, status in (((), 502), ((FOUND, UpstreamFailed("It broke.")), 502), (ScriptedAnswers().steps, 200)):
        api = Api(answers=ScriptedAnswers(steps), receipts=store)
        async with live(api.app) as url, aiohttp.ClientSession(url) as session:
            for stream in (False, True):
                async with session.post("/v1/chat/completions", json={**body, "stream": stream}) as reply:
                    assert reply.status == status
                    told = reply.headers["x-tandem-receipt-id"]
                    assert told == api.answers.asked[-1][1].answer_id
                    assert (told in await reply.text()) is (status == 200)
            async with session.get("/v1/models") as reply:
                assert "x-tandem-receipt-id" not in reply.headers


async def test_peers_alone_are_given_whole_records(http: aiohttp.ClientSession, store: ScriptedReceipts) -> None:
    await store.keep([answer_record()])
    for who, status in (("ann", 403), ("chief", 403), ("rival", 403)):
        for path in ("/one?id=rcpt-1", "", "/tenants"):
            assert (await get(http, who, f"/v1/peer/receipts{path}"))[0] == status
        for method, path in (("DELETE", ""), ("POST", ""), ("POST", "/scores")):
            headers = {"authorization": f"Bearer {who}", "content-type": "application/json"}
            async with http.request(method, f"/v1/peer/receipts{path}", data=b"[]", headers=headers) as reply:
                assert reply.status in {400, status}
    assert len(store.records) == 1
    headers = {"authorization": "Bearer gateway", "x-tandem-tenant": "acme"}
    async with http.get("/v1/peer/receipts/one?id=rcpt-1", headers=headers) as reply:
        assert reply.status == 200 and (await reply.json())["question"]["text"] == QUESTION
    async with http.get("/v1/peer/receipts/one?id=rcpt-1", headers={"authorization": "Bearer gateway"}) as reply:
        assert reply.status == 404


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'[{"id": 1}]', b"[null]", b'["x"]', b"\xff"])
async def test_what_is_no_record_is_refused_whole(
    http: aiohttp.ClientSession, store: ScriptedReceipts, body: bytes
) -> None:
    headers = {"authorization": "Bearer gateway", "content-type": "application/json"}
    async with http.post("/v1/peer/receipts", data=body, headers=headers) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] == "invalid_request"
    assert store.records == {}


async def test_asking_for_one_takes_the_same_path_whose_ever_it_is(store: ScriptedReceipts) -> None:
    """The store is asked once, by tenant and id, whether the id is unknown or another tenant's."""
    calls: list[tuple[str, str]] = []

    class Counting(ScriptedReceipts):
        async def receipt(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
            calls.append((tenant, receipt_id))
            return await store.receipt(tenant, receipt_id)

    await store.keep([answer_record()])
    async with live(Api(receipts=Counting(), keys=KEYS).app) as url, aiohttp.ClientSession(url) as session:
        await asyncio.gather(*(get(session, "rival", f"/v1/receipts/{id_}") for id_ in ("rcpt-1", "rcpt-2")))
    assert sorted(calls) == [("north", "rcpt-1"), ("north", "rcpt-2")]
