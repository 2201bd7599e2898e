"""Files and batches are their owners' business: others cannot tell them from what is not there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes.batches import BatchStores, pieces
from tandem.adapters.scripted.files import ScriptedFiles
from tandem.domain.batch import Batch, StoredFile, output_id
from tandem.domain.errors import InvalidRequest, Overloaded, StoreFull, TandemError, UnknownBatch, UnknownFile
from tandem.domain.reader import Reader
from tandem.http.wire.batches import written_line
from tandem.pipeline.batches.desk import BatchDesk, BatchDeskRules

OWNER = Reader("acme", "key-1", ("hr",))
SEES = {
    "owner": (OWNER, True),
    "owner in more groups": (Reader("acme", "key-1", ("hr", "it")), True),
    "owner who left the group": (Reader("acme", "key-1"), False),
    "colleague": (Reader("acme", "key-2", ("hr",)), False),
    "admin of the group": (Reader("acme", "boss", ("hr",), admin=True), True),
    "admin of all groups": (Reader("acme", "boss", ("*",), admin=True), True),
    "admin of no group": (Reader("acme", "boss", admin=True), False),
    "stranger": (Reader("other", "key-1", ("*",), admin=True), False),
}


class Counter:
    """A desk over doubles; everything belongs to `OWNER`."""

    def __init__(self, rules: BatchDeskRules | None = None) -> None:
        self.stores = BatchStores()
        self.desk = BatchDesk(
            self.stores.files, self.stores.batches, rules or BatchDeskRules(), lambda _: 2.5, written_line
        )

    def file(self, name: str = "file-1", **more: Any) -> StoredFile:
        return self.stores.file(name, "acme", **{"caller": "key-1", "groups": ("hr",), **more})

    def batch(self, name: str = "batch_1", **more: Any) -> Batch:
        return self.stores.batch(name, "acme", **{"caller": "key-1", "groups": ("hr",), **more})

    async def uploaded(self, name: str = "file-1", data: bytes = b"{}", **more: Any) -> StoredFile:
        return await self.desk.upload(self.file(name, **more), pieces(data))

    async def ended(self) -> StoredFile:
        """The output of a batch of two lines."""
        await self.uploaded()
        batch = (await self.desk.create(self.batch(), OWNER)).batch
        await self.stores.jobs.submit([self.stores.line(batch, number) for number in range(2)])
        await self.stores.answered(2)
        out = self.file(output_id(batch.id, "output"), purpose="batch_output", batch_id=batch.id, side="output")
        await self.stores.batches.end(await self.stores.claimed(), batch, [out])
        return out


@pytest.fixture
def counter() -> Counter:
    return Counter()


async def refused(call: Awaitable[object]) -> tuple[type, str, str | None]:
    with pytest.raises(TandemError) as told:
        await call
    return type(told.value), told.value.message, told.value.hint


FILE_CALLS: list[Callable[[BatchDesk, str, Reader], Awaitable[object]]] = [
    lambda desk, name, reader: desk.file(name, reader),
    lambda desk, name, reader: desk.content(name, reader),
    lambda desk, name, reader: desk.delete(name, reader),
    lambda desk, name, reader: desk.create(Batch("batch_2", name, "/v1/chat/completions", "24h", 0, 1, "acme"), reader),
]
BATCH_CALLS: list[Callable[[BatchDesk, str, Reader], Awaitable[object]]] = [
    lambda desk, name, reader: desk.batch(name, reader),
    lambda desk, name, reader: desk.cancel(name, reader),
]


@pytest.mark.parametrize("who", SEES)
@pytest.mark.parametrize("call", FILE_CALLS)
async def test_a_file_is_its_owners(
    counter: Counter, who: str, call: Callable[[BatchDesk, str, Reader], Awaitable[object]]
) -> None:
    await counter.uploaded()
    reader, sees = SEES[who]
    if sees:
        await call(counter.desk, "file-1", reader)
        return
    unknown = await refused(call(counter.desk, "file-none", reader))
    assert await refused(call(counter.desk, "file-1", reader)) == unknown
    assert unknown[0] is UnknownFile
    assert (await counter.desk.file("file-1", OWNER)).id == "file-1"


@pytest.mark.parametrize("who", SEES)
@pytest.mark.parametrize("call", BATCH_CALLS)
async def test_a_batch_and_what_it_wrote_is_its_owners(
    counter: Counter, who: str, call: Callable[[BatchDesk, str, Reader], Awaitable[object]]
) -> None:
    out = await counter.ended()
    reader, sees = SEES[who]
    if sees:
        await call(counter.desk, "batch_1", reader)
        assert (await counter.desk.content(out.id, reader))[0] == out
        return
    unknown = await refused(call(counter.desk, "batch_none", reader))
    assert await refused(call(counter.desk, "batch_1", reader)) == unknown
    assert unknown[0] is UnknownBatch
    assert (await refused(counter.desk.content(out.id, reader)))[0] is UnknownFile


@pytest.mark.parametrize("who", SEES)
async def test_lists_have_what_may_be_seen(counter: Counter, who: str) -> None:
    await counter.uploaded()
    await counter.desk.create(counter.batch(), OWNER)
    reader, sees = SEES[who]
    page = await counter.desk.file_page(None, reader, limit=9, after=None)
    assert [file.id for file in page.files] == ["file-1"] * sees
    tickets, more = await counter.desk.page(reader, limit=9, after=None)
    assert ([ticket.batch.id for ticket in tickets], more) == (["batch_1"] * sees, False)


async def test_a_page_of_what_may_not_be_seen_is_passed_over(counter: Counter) -> None:
    """A client takes an empty page for the last one."""
    await counter.uploaded("file-mine", groups=())
    await counter.desk.create(counter.batch("batch_mine", groups=(), input_file_id="file-mine"), OWNER)
    counter.stores.clock.advance(1)
    for number in range(5):
        await counter.uploaded(f"file-{number}")
        await counter.desk.create(counter.batch(f"batch_{number}", input_file_id=f"file-{number}"), OWNER)
    left = Reader("acme", "key-1")
    page = await counter.desk.file_page(None, left, limit=2, after=None)
    assert ([file.id for file in page.files], page.more) == (["file-mine"], False)
    tickets, more = await counter.desk.page(left, limit=2, after=None)
    assert ([ticket.batch.id for ticket in tickets], more) == (["batch_mine"], False)


async def test_a_batch_takes_its_tenants_share_and_the_shared_queue(counter: Counter) -> None:
    await counter.uploaded()
    ticket = await counter.desk.create(counter.batch(), OWNER)
    assert (ticket.batch.weight, ticket.batch.queue, ticket.tally.total) == (2.5, "batches", 0)
    assert await counter.stores.batches.batch("acme", "batch_1") == ticket.batch


async def test_batches_may_have_queues_of_their_own() -> None:
    counter = Counter(BatchDeskRules(own_queues=True))
    await counter.uploaded()
    assert (await counter.desk.create(counter.batch(), OWNER)).batch.queue == "batches/batch_1"


async def test_another_endpoint_and_what_is_no_input_are_refused(counter: Counter) -> None:
    out = await counter.ended()
    for batch, param in (
        (counter.batch("batch_2", input_file_id=out.id), "input_file_id"),
        (Batch("batch_2", "file-1", "/v1/embeddings", "24h", 0, 1, "acme"), "endpoint"),
    ):
        with pytest.raises(InvalidRequest) as told:
            await counter.desk.create(batch, OWNER)
        assert told.value.param == param
    assert await counter.stores.batches.batch("acme", "batch_2") is None


async def test_a_tenant_has_so_many_open_and_others_have_their_own() -> None:
    counter = Counter(BatchDeskRules(max_open=2))
    await counter.uploaded()
    for number in range(2):
        await counter.desk.create(counter.batch(f"batch_{number}"), OWNER)
    with pytest.raises(Overloaded) as told:
        await counter.desk.create(counter.batch("batch_2"), OWNER)
    assert told.value.retry_after_s == 60
    stranger = Reader("other", "key-1", ("hr",))
    await counter.desk.upload(counter.stores.file("file-9", "other", caller="key-1"), pieces(b"{}"))
    await counter.desk.create(counter.stores.batch("batch_9", "other", input_file_id="file-9"), stranger)
    lease = await counter.stores.claimed()
    assert lease.batch.tenant == "acme"
    await counter.stores.batches.end(lease, replace(lease.batch, status="failed"), ())
    await counter.desk.create(counter.batch("batch_3"), OWNER)


async def test_a_tenant_keeps_so_much_and_what_it_deletes_makes_room() -> None:
    counter = Counter(BatchDeskRules(max_stored_bytes=10))
    await counter.uploaded("file-1", b"x" * 10)
    read = 0

    async def watched() -> object:
        nonlocal read
        read += 1
        yield b"x"

    with pytest.raises(StoreFull):
        await counter.desk.upload(counter.file("file-2"), watched())  # type: ignore[arg-type]
    assert read == 0, "refused before it is read"
    await counter.desk.upload(counter.stores.file("file-3", "other"), pieces(b"x" * 10))
    await counter.desk.delete("file-1", OWNER)
    await counter.uploaded("file-2")


async def test_uploads_side_by_side_do_not_keep_more_than_a_tenant_may() -> None:
    counter = Counter(BatchDeskRules(max_stored_bytes=10))
    begun = asyncio.Barrier(4)

    async def together() -> AsyncIterator[bytes]:
        yield b"x" * 10
        await begun.wait()

    uploads = [counter.desk.upload(counter.file(f"file-{number}"), together()) for number in range(4)]
    told = await asyncio.gather(*uploads, return_exceptions=True)
    assert [type(each) for each in told].count(StoreFull) == 3
    assert await counter.stores.files.size("acme") == 10


async def test_with_an_output_go_its_lines_and_the_batch_stays(counter: Counter) -> None:
    out = await counter.ended()
    file, content = await counter.desk.content(out.id, OWNER)
    assert file == out
    assert b"".join([piece async for piece in content]).count(b"\n") == 2
    assert (await counter.desk.delete(out.id, OWNER)) == out
    assert (await refused(counter.desk.content(out.id, OWNER)))[0] is UnknownFile
    batch = (await counter.desk.batch("batch_1", OWNER)).batch
    assert (await counter.stores.batches.tally(batch)).total == 0


async def test_an_upload_that_breaks_off_leaves_nothing(counter: Counter) -> None:
    with pytest.raises(ConnectionError):
        await counter.desk.upload(counter.file(), pieces(b"x", fault=ConnectionError()))
    assert isinstance(counter.stores.files, ScriptedFiles)
    assert counter.stores.files.held == {}
