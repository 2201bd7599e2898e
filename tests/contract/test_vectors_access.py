"""Access lists in every vector store: what a caller may not see is as if it were not there."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contract.test_vectors import Store, ids, opened, server_url  # noqa: F401 - a fixture
from fakes.chunks import RECIPE, embedded, query, record
from tandem.domain.errors import UnknownCollection
from tandem.domain.filters import Condition
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.syncing import Failure
from tandem.domain.viewer import Viewer

T = "acme"
SEES = {(): {"open.md"}, ("hr",): {"open.md", "hr.md", "both.md"}, ("eng",): {"open.md", "both.md"}}
EVERYTHING = {"open.md", "hr.md", "both.md", "board.md"}


@pytest.fixture(params=["memory", "edge", "in-memory", "server", "grpc"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = f"t{uuid.uuid4().hex[:16]}"
    async with opened(request.param, request) as vectors:
        await vectors.ensure_collection(name, RECIPE)
        store = Store(vectors, name)
        await store.put("open.md", "salary table for all", "open words")
        await store.put("hr.md", "salary table for personnel", "hidden words", acl=("hr",))
        await store.put("both.md", "salary table of engineering", acl=("eng", "hr"))
        await store.put("board.md", "salary table of the board", acl=("board",))
        await store.put("rival.md", "salary table of a rival", tenant="rival", acl=("hr",))
        yield store
        for tenant in (T, "rival"):
            with contextlib.suppress(UnknownCollection):
                await vectors.drop_collection(name, tenant)


async def found(store: Store, groups: tuple[str, ...], **options: object) -> set[str]:
    asked = replace(query("salary table words", limit=50, **options), groups=groups)  # type: ignore[arg-type]
    hits = await store.vectors.search(store.name, asked)
    return {id_.partition("#")[0] for leg in (hits.dense, hits.sparse, hits.fused) for id_ in ids(leg)}


async def test_everything_that_reads_shows_the_same(store: Store) -> None:
    vectors, name = store.vectors, store.name
    for groups, seen in SEES.items():
        assert await found(store, groups) == seen
        page = await vectors.documents(name, T, limit=10, groups=groups)
        assert {each.id for each in page.records} == seen
        (info,) = [each for each in await vectors.collections(T, groups=groups) if each.name == name]
        assert (info.documents, info.chunks) == (len(seen), sum(each.chunks for each in page.records))
        for document_id in EVERYTHING:
            shown = document_id in seen
            assert (await vectors.record(name, T, document_id, groups=groups) is not None) is shown
            assert (await vectors.document(name, T, document_id, groups=groups) is not None) is shown


async def test_without_groups_is_what_holds_unless_told_otherwise(store: Store) -> None:
    assert {each.id for each in (await store.vectors.documents(store.name, T, limit=10)).records} == SEES[()]
    assert await store.vectors.record(store.name, T, "hr.md") is None


async def test_who_is_in_every_group_sees_its_tenant_and_no_other(store: Store) -> None:
    assert await found(store, (EVERY_GROUP,)) == EVERYTHING
    assert await store.vectors.document(store.name, T, "rival.md", groups=(EVERY_GROUP,)) is None


async def test_what_only_looks_like_a_group_is_none(store: Store) -> None:
    # The last two are full-width letters, and a Cyrillic one.
    for groups in (("HR",), ("hr ",), ("h", "r"), ("hr*",), ("",), ("null",), ("[]",), ("hr,eng",), ("ｈｒ",), ("нr",)):
        assert await found(store, groups) == SEES[()], groups


async def test_filters_narrow_and_never_widen(store: Store) -> None:
    for condition in (
        Condition("document_id", ("hr.md", "board.md", "open.md")),
        Condition("title", ("Hr", "hr.md")),
        Condition("tags", ("hr", "")),
    ):
        assert await found(store, (), filters=(condition,)) <= SEES[()]


async def test_nobody_deletes_what_he_does_not_see(store: Store) -> None:
    vectors, name = store.vectors, store.name
    assert await vectors.delete_document(name, T, "hr.md") is False
    assert await vectors.delete_document(name, T, "hr.md", groups=("eng",)) is False
    whole = await vectors.document(name, T, "hr.md", groups=("hr",))
    assert whole is not None
    assert len(whole.chunks) == 2
    assert await vectors.delete_document(name, T, "hr.md", groups=("hr",)) is True
    assert await vectors.document(name, T, "hr.md", groups=("hr",)) is None


async def test_a_list_that_changes_counts_at_once(store: Store) -> None:
    vectors, name = store.vectors, store.name
    await store.put("open.md", "salary table for all", acl=("board",))
    assert await found(store, ()) == set()
    assert await found(store, ("board",)) == {"open.md", "board.md"}
    known = await vectors.record(name, T, "open.md", groups=("board",))
    assert known is not None
    assert await vectors.update_record(name, T, replace(known, acl=("eng",)))
    assert await found(store, ("board",)) == {"board.md"}
    assert await found(store, ("eng",)) == {"open.md", "both.md"}
    await vectors.update_record(name, T, replace(known, acl=()))
    assert await found(store, ()) == {"open.md"}


async def test_pages_of_a_list_skip_what_is_hidden(store: Store) -> None:
    first = await store.vectors.documents(store.name, T, limit=1, groups=("eng",))
    assert ([each.id for each in first.records], first.next_after) == (["both.md"], "both.md")
    rest = await store.vectors.documents(store.name, T, limit=1, after="both.md", groups=("eng",))
    assert ([each.id for each in rest.records], rest.next_after) == (["open.md"], None)
    after_hidden = await store.vectors.documents(store.name, T, limit=5, after="hr.md", groups=("eng",))
    assert [each.id for each in after_hidden.records] == ["open.md"]


async def test_the_first_list_in_a_collection_counts(store: Store) -> None:
    await store.vectors.drop_collection(store.name, "rival")
    await store.vectors.drop_collection(store.name, T)
    await store.vectors.ensure_collection(store.name, RECIPE)
    await store.put("open.md", "salary table for all")
    assert await found(store, ()) == {"open.md"}
    await store.vectors.replace_document(
        store.name, T, record("late.md", ("salary table",), acl=("hr",)), embedded("late.md", ("salary table",))
    )
    assert await found(store, ()) == {"open.md"}
    assert await found(store, ("hr",)) == {"open.md", "late.md"}


async def test_failures_are_seen_as_their_documents_are(store: Store) -> None:
    vectors, name = store.vectors, store.name
    failed = Failure("hr/pay.pdf", "encrypted", "It is locked.", "hr/pay.pdf", 1.0, "/mnt/hr", acl=("hr",))
    await vectors.note_failure(name, T, failed)
    for groups, shown in (((), 0), (("eng",), 0), (("hr",), 1), ((EVERY_GROUP,), 1)):
        page = await vectors.failures(name, Viewer(T, groups), limit=10)
        assert len(page.failures) == shown
    assert await vectors.forget_failure(name, T, failed.document_id) is False
    assert await vectors.delete_document(name, T, failed.document_id, groups=("eng",)) is False
    assert len((await vectors.failures(name, Viewer(T, ("hr",)), limit=10)).failures) == 1
    # Another's failure under the same id inherits nothing of it.
    await vectors.note_failure(name, T, replace(failed, acl=(), place=None))
    (own,) = (await vectors.failures(name, Viewer(T), limit=10)).failures
    assert (own.place, own.attempts) == (None, 1)
    assert await vectors.forget_failure(name, T, failed.document_id) is True


async def test_what_a_collection_knows_is_told_by_what_is_seen(store: Store) -> None:
    vectors, name = store.vectors, store.name
    for groups, seen in SEES.items():
        viewer = Viewer(T, groups)
        assert set(await vectors.values(name, viewer, "document_id", limit=100)) == seen
        assert await vectors.holds(name, viewer, (Condition("document_id", ("hr.md",)),)) is ("hr.md" in seen)
        wanted = [(document_id, 0) for document_id in EVERYTHING]
        chunks = await vectors.chunks(name, T, wanted, groups=groups)
        assert {chunk.document_id for chunk in chunks} == seen
        assert {mark.id for mark in await vectors.marks(name, viewer)} == seen
