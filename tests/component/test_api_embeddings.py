"""`POST /v1/embeddings`: as OpenAI's clients ask, at a retriever and through a gateway."""

import base64
import struct
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from fakes.live import live
from tandem.adapters.embeddings.remote import openai_embedder
from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.admission.identity import Identity
from tandem.app.clock import SystemClock
from tandem.http.lifecycle import Lifecycle
from tandem.http.routers.embeddings import embeddings_router
from tandem.http.web import web_app
from tandem.observe.metrics import Metrics
from tandem.ports.embedder import Embedder


def app() -> ASGIApp:
    async def opened() -> Embedder:
        return HashingEmbedder()

    return web_app(
        [embeddings_router(opened, clock=SystemClock())],
        version="0",
        clock=SystemClock(),
        meter=Metrics("0", "test"),
        lifecycle=Lifecycle(),
        identity=Identity(),
        max_body_bytes=100_000,
        request_timeout_s=10,
    )


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app()) as opened:
        yield opened


def test_vectors_come_in_order_with_what_was_read(client: TestClient) -> None:
    answer = client.post("/v1/embeddings", json={"model": "tandem", "input": ["green tea", "black coffee, hot"]}).json()
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert {len(row["embedding"]) for row in answer["data"]} == {64}
    assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert answer["model"] == "hashing-64@1"
    alone = client.post("/v1/embeddings", json={"model": "hashing-64", "input": "green tea"}).json()
    assert alone["data"][0]["embedding"] == answer["data"][0]["embedding"]


def test_base64_holds_the_same_numbers(client: TestClient) -> None:
    body = {"model": "tandem", "input": "green tea"}
    plain = client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    packed = client.post("/v1/embeddings", json={**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    assert struct.unpack("<64f", base64.b64decode(packed)) == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": "tea"}, 400, "model"),
        ({"model": "tandem"}, 400, "input"),
        ({"model": "tandem", "input": []}, 400, "input"),
        ({"model": "tandem", "input": [1, 2]}, 400, "input"),
        ({"model": "tandem", "input": "tea", "dimensions": 7}, 400, "dimensions"),
        ({"model": "gpt", "input": "tea"}, 404, "model"),
        ({"model": "tandem", "input": "a\x00b"}, 400, "input"),
    ],
)
def test_bad_input_is_named(client: TestClient, body: dict[str, object], status: int, param: str) -> None:
    reply = client.post("/v1/embeddings", json=body)
    assert reply.status_code == status, reply.text
    assert param in (reply.json()["error"]["param"] or "")


async def test_another_tandem_is_an_embedding_server() -> None:
    async with live(app()) as url, openai_embedder(url, model="tandem") as remote:
        assert remote.card.dimensions == 64
        assert len(await remote.embed(["tea", "coffee", "water"], "document")) == 3
