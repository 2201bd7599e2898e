"""Chunks by document and ordinal, through the caller's eyes, in every store that runs here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.chunks import RECIPE, embedded, record
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.adapters.qdrant.server import IN_MEMORY, qdrant_vectors
from tandem.adapters.scripted.vectors import MemoryVectors
from tandem.domain.errors import UnknownCollection
from tandem.domain.groups import EVERY_GROUP
from tandem.ports.vectors import Vectors

TEXTS = ("one", "two", "three", "four")


@pytest.fixture(params=["memory", "edge", "in-memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Vectors]:
    if request.param == "memory":
        yield await filled(MemoryVectors())
    elif request.param == "edge":
        async with edge_vectors(tmp_path / "collections") as vectors:
            yield await filled(vectors)
    else:
        async with qdrant_vectors(IN_MEMORY) as vectors:
            yield await filled(vectors)


async def filled(store: Vectors) -> Vectors:
    version = await store.ensure_collection("notes", RECIPE)
    for tenant, id_, acl in (("acme", "a", ()), ("acme", "b", ("crew",)), ("other", "c", ())):
        await store.replace_document(version, tenant, record(id_, TEXTS, acl=acl), embedded(id_, TEXTS))
    return store


async def found(store: Vectors, *wanted: tuple[str, int], groups: tuple[str, ...] = ()) -> list[tuple[str, int, str]]:
    chunks = await store.chunks("notes", "acme", wanted, groups=groups)
    return sorted((each.document_id, each.ordinal, each.text) for each in chunks)


async def test_exactly_those_that_are_there(store: Vectors) -> None:
    assert await found(store, ("a", 3), ("a", 1), ("a", 4), ("nowhere", 0)) == [("a", 1, "two"), ("a", 3, "four")]
    assert await found(store) == []
    (chunk,) = await store.chunks("notes@1", "acme", [("a", 2)])
    assert chunk == embedded("a", TEXTS)[2].chunk


async def test_only_what_the_caller_may_see(store: Vectors) -> None:
    assert await found(store, ("b", 1), ("c", 1)) == []
    assert await found(store, ("b", 1), groups=("guests",)) == []
    assert await found(store, ("b", 1), ("c", 1), groups=("crew",)) == [("b", 1, "two")]
    assert await found(store, ("b", 1), ("c", 1), groups=(EVERY_GROUP,)) == [("b", 1, "two")]


async def test_of_an_unknown_collection(store: Vectors) -> None:
    with pytest.raises(UnknownCollection):
        await store.chunks("nowhere", "acme", [("a", 0)])
