"""What every vector store tells of a collection: its values, and whether anything meets conditions, as one viewer sees it."""

import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest

from contract.test_vectors import Store, opened, server_url  # noqa: F401 - a fixture
from fakes.chunks import RECIPE
from tandem.domain.errors import UnknownCollection
from tandem.domain.filters import Condition, FilterField
from tandem.domain.viewer import Viewer

T = "acme"
ANYBODY, PERSONNEL, RIVAL = Viewer(T), Viewer(T, ("hr",)), Viewer("rival", ("hr",))


@pytest.fixture(params=["memory", "edge", "in-memory", "server", "grpc"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = f"t{uuid.uuid4().hex[:16]}"
    async with opened(request.param, request) as vectors:
        await vectors.ensure_collection(name, RECIPE)
        store = Store(vectors, name)
        await store.put("fees.md", "mooring fees", "by night", author="Jane Doe", tags=("fees", "night"), path="a/b/fees.md", created_at=100.0)  # fmt: skip
        await store.put("pay.md", "salaries", author="Mary Smith", tags=("hr",), path="hr/pay.md", created_at=200.0, acl=("hr",))  # fmt: skip
        await store.put("odd.md", "no labels at all", tags=(), path=None, created_at=None)
        await store.put("rival.md", "of another tenant", tenant="rival", author="Rosa Rival", tags=("rival",))
        yield store
        for tenant in (T, "rival"):
            with contextlib.suppress(UnknownCollection):
                await vectors.drop_collection(name, tenant)


@pytest.mark.parametrize(
    ("field", "anybody", "personnel"),
    [
        ("author", ("Jane Doe",), ("Jane Doe", "Mary Smith")),
        ("tags", ("fees", "night"), ("fees", "hr", "night")),
        ("path", ("a/", "a/b/", "a/b/fees.md"), ("a/", "a/b/", "a/b/fees.md", "hr/", "hr/pay.md")),
    ],
)
async def test_values_are_those_of_what_the_viewer_sees(
    store: Store, field: FilterField, anybody: tuple[str, ...], personnel: tuple[str, ...]
) -> None:
    assert await store.vectors.values(store.name, ANYBODY, field, limit=10) == anybody
    assert await store.vectors.values(store.name, PERSONNEL, field, limit=10) == personnel
    assert await store.vectors.values(store.name, PERSONNEL, field, limit=1) == personnel[:1]


async def test_nobody_learns_of_another_tenant(store: Store) -> None:
    assert await store.vectors.values(store.name, RIVAL, "author", limit=10) == ("Rosa Rival",)
    assert not await store.vectors.holds(store.name, RIVAL, (Condition("author", ("Jane Doe",)),))


async def test_conditions_hold_together_on_one_document(store: Store) -> None:
    jane, old, late = Condition("author", ("Jane Doe",)), Condition("created_at", at_most=150.0), Condition("created_at", at_least=150.0)  # fmt: skip
    assert await store.vectors.holds(store.name, ANYBODY, (jane, old, Condition("path", ("a/",))))
    assert not await store.vectors.holds(store.name, ANYBODY, (jane, late))
    # Somebody's document that is not to be seen does not answer for it.
    assert not await store.vectors.holds(store.name, ANYBODY, (late,))
    assert await store.vectors.holds(store.name, PERSONNEL, (late,))


async def test_a_collection_that_is_not_there(store: Store) -> None:
    with pytest.raises(UnknownCollection):
        await store.vectors.values("nowhere", ANYBODY, "author", limit=1)
    with pytest.raises(UnknownCollection):
        await store.vectors.holds("nowhere", ANYBODY, ())
