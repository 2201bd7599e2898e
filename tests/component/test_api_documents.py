"""Documents, collections and retrieval over the wire."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from fakes.answers import OneRetrieval
from fakes.api import Api
from fakes.live import live
from tandem.adapters.scripted.ingestor import ScriptedIngestor
from tandem.domain.errors import DocumentRejected, StoreFull


@pytest.fixture
def api() -> Api:
    failures = {
        "locked.pdf": DocumentRejected("It is locked.", reason="encrypted"),
        "last": StoreFull("No space is left."),
    }
    return Api(ingestor=ScriptedIngestor(failures), open_groups=("staff",))


@pytest.fixture
async def http(api: Api) -> AsyncIterator[aiohttp.ClientSession]:
    async with live(api.app) as url, aiohttp.ClientSession(url) as session:
        yield session


async def test_a_raw_document(http: aiohttp.ClientSession) -> None:
    query = [("title", "Guide"), ("tags", "a"), ("tags", "b"), ("source", "folder/g.md"), ("modified_at", "12.5"),
             ("author", "Ann Lee"), ("created_at", "-1.5"), ("language", "en"), ("path", "x/g.md"), ("acl", "staff"), ("acl", "board")]  # fmt: skip
    put = "/v1/documents/guide/g.md"
    async with http.put(
        put, params=query, data=b"One.\n\nTwo.", headers={"content-type": "text/markdown; charset=utf-8"}
    ) as reply:
        assert await reply.json() == {
            "id": "guide/g.md",
            "status": "added",
            "chunks": 2,
            "reused": 0,
            "collection": "docs",
        }
    async with http.get(put) as reply:
        found = await reply.json()
    assert found["title"] == "Guide"
    assert found["tags"] == ["a", "b"]
    assert found["modified_at"] == 12.5
    assert [found[name] for name in ("author", "created_at", "language", "path")] == ["Ann Lee", -1.5, "en", "x/g.md"]
    assert found["acl"] == ["staff", "board"]
    assert found["source"] == "folder/g.md"
    assert found["media_type"].startswith("text/markdown")
    assert [(c["id"], c["text"], c["start"], c["end"]) for c in found["content"]] == [
        ("guide/g.md#0", "One.", 0, 4),
        ("guide/g.md#1", "Two.", 6, 10),
    ]
    async with http.delete(put) as reply:
        assert await reply.json() == {"id": "guide/g.md", "deleted": True}
    async with http.delete(put) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (404, "document_not_found")


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/x-www-form-urlencoded"])
async def test_what_clients_say_by_default_is_not_taken_for_a_format(
    http: aiohttp.ClientSession, content_type: str
) -> None:
    async with http.put("/v1/documents/a.md", data=b"x", headers={"content-type": content_type}):
        pass
    async with http.get("/v1/documents/a.md") as reply:
        assert (await reply.json())["media_type"] == "text/plain"


async def test_a_batch_tells_of_each_document_and_settles_once(http: aiohttp.ClientSession, api: Api) -> None:
    documents = [
        {"id": "a", "text": "x", "tags": ["t"]},
        {"id": "locked.pdf", "text": "x"},
        {"id": "b", "text": "y\n\nz"},
    ]
    async with http.put("/v1/documents", json={"documents": documents, "collection": "notes"}) as reply:
        assert (await reply.json())["results"] == [
            {"id": "a", "status": "added", "chunks": 1},
            {"id": "locked.pdf", "status": "failed", "chunks": 0, "reason": "encrypted", "message": "It is locked."},
            {"id": "b", "status": "added", "chunks": 2},
        ]
    async with http.put("/v1/documents", json={"documents": documents, "collection": "notes"}) as reply:
        assert [r["status"] for r in (await reply.json())["results"]] == ["unchanged", "failed", "unchanged"]
    assert api.ingestor.settled == ["notes"]


async def test_a_full_disk_is_told_as_such(http: aiohttp.ClientSession) -> None:
    async with http.put(
        "/v1/documents", json={"documents": [{"id": "a", "text": "x"}, {"id": "last", "text": "x"}]}
    ) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (507, "storage_full")


async def test_a_rejected_document_says_why(http: aiohttp.ClientSession) -> None:
    async with http.put("/v1/documents/empty.txt", data=b"") as reply:
        error = (await reply.json())["error"]
    assert (reply.status, error["code"], error["reason"]) == (422, "document_rejected", "empty")


async def test_lists_are_paged(http: aiohttp.ClientSession) -> None:
    async with http.put("/v1/documents", json={"documents": [{"id": name, "text": "x"} for name in "abc"]}):
        pass
    async with http.get("/v1/documents", params={"limit": 2}) as reply:
        first = await reply.json()
    assert [r["id"] for r in first["data"]] == ["a", "b"]
    assert first["has_more"] is True
    assert first["next_after"] == "b"
    async with http.get("/v1/documents", params={"limit": 2, "after": "b"}) as reply:
        second = await reply.json()
    assert [r["id"] for r in second["data"]] == ["c"]
    assert (second["has_more"], second["next_after"]) == (False, None)


async def test_collections(http: aiohttp.ClientSession) -> None:
    async with http.put("/v1/documents/a", params={"collection": "notes"}, data=b"x"):
        pass
    recipe = {"embedder": "none", "dimensions": 1, "sparse": "none", "chunker": "paragraphs"}
    notes = {"name": "notes", "version": "notes@1", "documents": 1, "chunks": 1, "recipe": recipe}
    async with http.get("/v1/collections") as reply:
        assert await reply.json() == {"data": [notes]}
    async with http.get("/v1/collections/notes") as reply:
        assert await reply.json() == notes
    async with http.delete("/v1/collections/notes") as reply:
        assert await reply.json() == {"name": "notes", "deleted": True}
    for method in ("GET", "DELETE"):
        async with http.request(method, "/v1/collections/notes") as reply:
            assert (reply.status, (await reply.json())["error"]["code"]) == (404, "collection_not_found")


async def test_retrieval(http: aiohttp.ClientSession, api: Api) -> None:
    filters = {"tags": ["a", "b"], "source": "s", "modified_at": {"gte": 1, "lte": 2.5}}
    async with http.post(
        "/v1/retrieve", json={"query": "when?", "top_k": 2, "filters": filters, "explain": True}
    ) as reply:
        found = await reply.json()
    [passage] = found["passages"]
    assert passage["id"] == "guide/harbour.md#3"
    assert passage["title_path"] == ["Guide", "Harbour"]
    assert passage["scores"] == {"dense": 0.8, "sparse": 4.2, "fused": 0.03, "rerank": None, "relevance": 0.9}
    assert found["relevance"] == 0.9
    assert found["degraded"] == []
    assert found["explain"]["fused"] == [passage]
    assert isinstance(api.retriever, OneRetrieval)
    [(question, options, _)] = api.retriever.asked
    assert question == "when?"
    assert options.top_k == 2
    assert options.collection == "docs"
    assert [(c.field, c.any_of, c.at_least, c.at_most) for c in options.filters] == [
        ("tags", ("a", "b"), None, None),
        ("source", ("s",), None, None),
        ("modified_at", (), 1.0, 2.5),
    ]
