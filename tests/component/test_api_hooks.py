"""Registries call without a key of ours, and begin nothing unless they are known."""

import hashlib
import json
import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from fakes.api import SECRET, Api
from tandem.adapters.webhooks.sender import signed
from tandem.admission.keys import Key
from tandem.ports.webhook import Message

BODY = json.dumps({"event": {"action": "update", "scope": "repo.content"}}).encode()


@pytest.fixture
def api() -> Api:
    """With keys: hooks need none."""
    return Api(keys=[Key("caller", hashlib.sha256(b"key").hexdigest())])


@pytest.fixture
def client(api: Api) -> Iterator[TestClient]:
    with TestClient(api.app, base_url="http://127.0.0.1") as opened:
        yield opened


def headers(identifier: str = "msg-1") -> dict[str, str]:
    return signed(Message(identifier, "acme", "https://example.com", BODY), SECRET.encode(), int(time.time()))


def test_a_signed_delivery_begins_a_look(api: Api, client: TestClient) -> None:
    reply = client.post("/v1/hooks/models/llama", content=BODY, headers=headers())
    assert (reply.status_code, reply.json()) == (202, {"model": "llama", "job": "llama-msg-1", "new": True})
    again = client.post("/v1/hooks/models/llama", content=BODY, headers=headers("msg-2"))
    assert (again.status_code, again.json()["new"]) == (202, False)
    hub = client.post("/v1/hooks/models/llama", content=BODY, headers={"x-webhook-secret": SECRET})
    assert hub.status_code == 202
    assert api.follow_jobs.deliveries == [("llama", "msg-1")]


@pytest.mark.parametrize(
    "told",
    [{}, {"x-webhook-secret": "guessed"}, {"authorization": "Bearer key"}, headers() | {"webhook-id": "msg-2"}],
)
def test_anybody_else_is_shown_out(api: Api, client: TestClient, told: dict[str, str]) -> None:
    reply = client.post("/v1/hooks/models/llama", content=BODY, headers=told)
    assert (reply.status_code, reply.json()["error"]["type"]) == (401, "authentication_error")
    assert reply.json()["error"]["hint"]
    assert api.follow_jobs.deliveries == []
    # Nobody learns which models there are.
    assert client.post("/v1/hooks/models/none", content=BODY, headers=told).status_code == 401


def test_a_model_that_is_not_followed_is_named(client: TestClient) -> None:
    reply = client.post("/v1/hooks/models/none", content=BODY, headers=headers())
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")


def test_where_nothing_is_followed_it_is_said_what_that_takes() -> None:
    with TestClient(Api(hooks=False).app, base_url="http://127.0.0.1") as client:
        reply = client.post("/v1/hooks/models/llama", content=BODY, headers=headers())
    assert (reply.status_code, reply.json()["error"]["code"]) == (501, "not_served")
    assert "follow.models" in reply.json()["error"]["hint"]


def test_a_body_without_end_is_not_read(client: TestClient) -> None:
    assert client.post("/v1/hooks/models/llama", content=b"x" * 3_000_000, headers=headers()).status_code == 413


def test_other_paths_need_a_key_still(client: TestClient) -> None:
    assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/hooks").status_code == 401
