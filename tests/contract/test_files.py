"""One suite over every store of callers' files: the double, SQLite, PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakes.batches import DAY_S, BatchStores, pieces
from tandem.domain.batch import StoredFile
from tandem.ports.files import MAX_PAGE

ODD = "a\0b\ud800\u00e9"


async def listed(stores: BatchStores, tenant: str = "acme", **more: object) -> list[str]:
    wanted: dict[str, object] = {"caller": None, "purpose": None, "limit": 100, **more}
    return [file.id for file in (await stores.files.page(tenant, **wanted)).files]  # type: ignore[arg-type]


async def test_what_was_uploaded_comes_back_as_it_was(stores: BatchStores) -> None:
    data = bytes(range(256)) * 10_000
    file = stores.file(caller="key-1", groups=("hr", "it"), user="u-7")
    kept = await stores.files.put(file, pieces(data[:999], b"", data[999:]))
    assert kept.size == len(data) == 2_560_000
    assert await stores.files.file("acme", file.id) == kept
    parts = [part async for part in stores.files.content(kept)]
    assert b"".join(parts) == data
    assert max(map(len, parts)) <= 1_000_000, "memory holds a part"
    assert await stores.files.size("acme") == len(data)
    assert await stores.files.tenants() == ("acme",)


async def test_an_empty_file_is_one(stores: BatchStores) -> None:
    kept = await stores.put(stores.file())
    assert kept.size == 0
    assert await stores.files.file("acme", kept.id) == kept
    assert await stores.content(kept) == b""


async def test_texts_that_no_database_holds_do_no_harm(stores: BatchStores) -> None:
    file = StoredFile("file-1", ODD, "batch", 0.0, 1.0, 0, "acme", ODD, (ODD,), ODD)
    await stores.put(file, b"\0\xff")
    assert await stores.content(file) == b"\0\xff"
    assert await listed(stores, caller=ODD) == ["file-1"]
    assert await stores.files.forget("acme", user=ODD) == 1


@pytest.mark.parametrize("fault", [ValueError("It broke off."), asyncio.CancelledError()])
async def test_what_its_content_raises_passes_through_and_leaves_nothing(
    stores: BatchStores, fault: BaseException
) -> None:
    file = stores.file()
    with pytest.raises(type(fault)):
        await stores.files.put(file, pieces(b"x" * 1_500_000, fault=fault))
    assert await stores.files.file("acme", file.id) is None
    assert await stores.files.tenants() == ()
    assert await stores.content(file) == b""


async def test_there_is_none_until_all_of_it_is_there(stores: BatchStores) -> None:
    file, here, on = stores.file(), asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 1_200_000
        here.set()
        await on.wait()

    putting = asyncio.create_task(stores.files.put(file, slow()))
    await here.wait()
    assert await stores.files.file("acme", file.id) is None
    assert await listed(stores) == []
    on.set()
    assert await putting == await stores.files.file("acme", file.id)


async def test_another_tenants_file_is_not_there(stores: BatchStores) -> None:
    kept = await stores.put(stores.file(), b"x")
    assert await stores.files.file("other", kept.id) is None
    assert await stores.files.delete("other", kept.id) is False
    assert await listed(stores, "other") == []
    assert await stores.files.size("other") == 0
    assert await stores.files.forget("other") == 0
    assert await stores.files.file("acme", kept.id) == kept


async def test_pages_are_newest_first_and_go_on_behind_a_file(stores: BatchStores) -> None:
    for number in range(5):
        await stores.put(stores.file(f"file-{number}", caller=f"key-{number % 2}"))
        stores.clock.advance(0 if number == 2 else 1)
    await stores.put(stores.file("file-x", "other"))
    order = ["file-4", "file-3", "file-2", "file-1", "file-0"]
    assert await listed(stores, limit=MAX_PAGE + 5) == order
    page = await stores.files.page("acme", caller=None, purpose="batch", limit=2)
    assert ([file.id for file in page.files], page.more) == (order[:2], True)
    page = await stores.files.page("acme", caller=None, purpose=None, limit=3, after="file-3")
    assert ([file.id for file in page.files], page.more) == (order[2:], False)
    assert await listed(stores, caller="key-1") == ["file-3", "file-1"]
    assert await listed(stores, purpose="batch_output") == []
    for unknown in ("file-none", "file-x"):
        assert await listed(stores, after=unknown) == []


async def test_what_is_deleted_is_gone_with_its_content(stores: BatchStores) -> None:
    kept = await stores.put(stores.file(), b"x" * 2_500_000)
    reading = stores.files.content(kept)
    assert await anext(reading)
    assert await stores.files.delete("acme", kept.id) is True
    assert [piece async for piece in reading] == []
    assert await stores.files.delete("acme", kept.id) is False
    assert await stores.files.size("acme") == 0


async def test_uploads_are_forgotten_by_user_age_and_expiry(stores: BatchStores) -> None:
    now = stores.clock.epoch_s()
    await stores.put(stores.file("file-old", user="u-1"))
    stores.clock.advance(10)
    await stores.put(stores.file("file-new", user="u-1"))
    await stores.put(stores.file("file-other", user="u-2"))
    await stores.put(stores.file("file-elsewhere", "other", user="u-1"))
    assert await stores.files.forget("acme", user="u-1", before=now + 5) == 1
    assert await stores.files.forget("acme", user="u-1") == 1
    assert await listed(stores) == ["file-other"]
    assert await stores.files.forget("acme", before=now + 10) == 0
    assert await stores.files.forget("acme", expired_by=now + 9 + 30 * DAY_S) == 0
    assert await stores.files.forget("acme", expired_by=now + 10 + 30 * DAY_S) == 1
    assert await stores.files.forget("other") == 1
    assert await stores.files.tenants() == ()


async def test_what_a_batch_wrote_goes_with_it_alone(stores: BatchStores) -> None:
    batch = await stores.created(user="u-1")
    lease = await stores.claimed()
    written = StoredFile("file-out", "o", "batch_output", 0.0, 1.0, 9, "acme", "", (), "u-1", batch.id, "output")
    assert await stores.batches.end(lease, batch, [written])
    assert await stores.files.file("acme", "file-out") == written
    assert await stores.files.size("acme") == 0
    assert await stores.files.forget("acme") == 0
    assert await stores.content(written) == b""
    assert await stores.files.delete("acme", "file-out")


async def test_what_was_begun_and_never_ended_goes_after_a_day(stores: BatchStores) -> None:
    here, forever = asyncio.Event(), asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"x" * 1_200_000
        here.set()
        await forever.wait()

    putting = asyncio.create_task(stores.files.put(stores.file(), stuck()))
    await here.wait()
    now = stores.clock.epoch_s()
    assert await stores.files.forget("acme", expired_by=now + DAY_S - 1) == 0
    assert await stores.files.forget("acme", expired_by=now + DAY_S + 1) == 1
    assert await stores.files.tenants() == ()
    putting.cancel()
    await asyncio.wait([putting])
