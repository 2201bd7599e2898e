"""Where files and batches are handed in, asked after and called off, by those they belong to."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from tandem.domain.batch import CHAT, Batch, Purpose, StoredFile, Tally, own_queue
from tandem.domain.errors import InvalidRequest, Overloaded, StoreFull, UnknownBatch, UnknownFile
from tandem.domain.job import BATCHES, Job
from tandem.domain.reader import Reader
from tandem.pipeline.batches.supervising import written_lines
from tandem.ports.batches import Batches, BatchPage
from tandem.ports.files import FilePage, Files


@dataclass(frozen=True, slots=True)
class BatchDeskRules:
    """Of one tenant: `max_open` batches, `max_stored_bytes` of uploads. With `own_queues` each batch's lines wait apart."""

    max_open: int = 100
    max_stored_bytes: int = 1_000_000_000
    own_queues: bool = False


@dataclass(frozen=True, slots=True)
class BatchTicket:
    """A batch as its owner sees it."""

    batch: Batch
    tally: Tally


@dataclass(frozen=True, slots=True)
class BatchDesk:
    """What belongs to another caller cannot be told from what is not there; admins see what is their tenant's.

    `render` writes what came of a line.
    """

    files: Files
    batches: Batches
    rules: BatchDeskRules
    weight_of: Callable[[str], float]
    render: Callable[[Job], bytes]

    async def upload(self, file: StoredFile, content: AsyncIterator[bytes]) -> StoredFile:
        """Raises `StoreFull` when the tenant has too much already; what `content` raises leaves nothing."""
        await self._check_room(file.tenant)

        async def while_there_is_room() -> AsyncIterator[bytes]:
            async for piece in content:
                yield piece
            # Of many that come at the same time, each of which found room, the last ones find none.
            await self._check_room(file.tenant)

        return await self.files.put(file, while_there_is_room())

    async def file(self, file_id: str, reader: Reader) -> StoredFile:
        """Raises `UnknownFile`."""
        file = await self.files.file(reader.tenant, file_id)
        if file is None or not reader.owns(file.caller, file.groups):
            raise UnknownFile(
                "There is no such file.", hint="Files are kept for a time, and seen by who uploaded them.", param="id"
            )
        return file

    async def file_page(self, purpose: Purpose | None, reader: Reader, *, limit: int, after: str | None) -> FilePage:
        """The caller's own, newest first; an admin sees those of all callers whose groups it has."""
        while True:
            page = await self.files.page(
                reader.tenant, caller=_caller(reader), purpose=purpose, limit=limit, after=after
            )
            shown = tuple(file for file in page.files if reader.owns(file.caller, file.groups))
            # An empty page is the last one.
            if shown or not page.more:
                return replace(page, files=shown)
            after = page.files[-1].id

    async def content(self, file_id: str, reader: Reader) -> tuple[StoredFile, AsyncIterator[bytes]]:
        """The file, and its bytes some at a time. Raises `UnknownFile`."""
        file = await self.file(file_id, reader)
        if file.batch_id is None or file.side is None:
            return file, self.files.content(file)
        batch = await self.batch(file.batch_id, reader)
        return file, written_lines(self.batches, batch.batch, file.side, self.render)

    async def delete(self, file_id: str, reader: Reader) -> StoredFile:
        """With what a batch wrote go the lines that it was made of. Raises `UnknownFile`."""
        file = await self.file(file_id, reader)
        if file.batch_id is not None and file.side is not None:
            await self.batches.drop_lines(file.tenant, file.batch_id, file.side)
        await self.files.delete(file.tenant, file.id)
        return file

    async def create(self, batch: Batch, reader: Reader) -> BatchTicket:
        """Raises `UnknownFile` for an input that is not there, `InvalidRequest` for what is no endpoint or no input,
        `Overloaded` when the tenant has too many open.
        """
        if batch.endpoint != CHAT:
            raise InvalidRequest(f"endpoint: only {CHAT} is run in batches.", param="endpoint")
        file = await self.file(batch.input_file_id, reader)
        if file.purpose != "batch":
            raise InvalidRequest(
                f"input_file_id: {file.id} was uploaded as {file.purpose}.",
                hint="Upload it with purpose batch.",
                param="input_file_id",
            )
        if (many := await self.batches.open(batch.tenant)) >= self.rules.max_open:
            raise Overloaded(
                f"{many:,} batches of this tenant are open: some must be done, or cancelled, first.", retry_after_s=60.0
            )
        queue = own_queue(batch.id) if self.rules.own_queues else BATCHES
        batch = replace(batch, weight=self.weight_of(batch.tenant), queue=queue)
        await self.batches.create(batch)
        return BatchTicket(batch, Tally())

    async def batch(self, batch_id: str, reader: Reader) -> BatchTicket:
        """Raises `UnknownBatch`."""
        return await self._ticket(await self._own(batch_id, reader))

    async def page(self, reader: Reader, *, limit: int, after: str | None) -> tuple[list[BatchTicket], bool]:
        """The caller's own, newest first, and whether there are more; an admin sees those of all whose groups it has."""
        while True:
            page: BatchPage = await self.batches.page(reader.tenant, caller=_caller(reader), limit=limit, after=after)
            shown = [batch for batch in page.batches if reader.owns(batch.caller, batch.groups)]
            if shown or not page.more:
                return [await self._ticket(batch) for batch in shown], page.more
            after = page.batches[-1].id

    async def cancel(self, batch_id: str, reader: Reader) -> BatchTicket:
        """What runs is stopped soon; one that is over stays as it is. Raises `UnknownBatch`."""
        batch = await self._own(batch_id, reader)
        return await self._ticket(await self.batches.cancel(batch.tenant, batch.id) or batch)

    async def _check_room(self, tenant: str) -> None:
        held = await self.files.size(tenant)
        if held >= self.rules.max_stored_bytes:
            raise StoreFull(
                f"The files of this tenant have {held:,} bytes; {self.rules.max_stored_bytes:,} are allowed.",
                hint="Delete some, or wait until they expire.",
            )

    async def _ticket(self, batch: Batch) -> BatchTicket:
        return BatchTicket(batch, batch.tally or await self.batches.tally(batch))

    async def _own(self, batch_id: str, reader: Reader) -> Batch:
        batch = await self.batches.batch(reader.tenant, batch_id)
        if batch is None or not reader.owns(batch.caller, batch.groups):
            raise UnknownBatch(
                "There is no such batch.", hint="Batches are kept for a time, and seen by who created them.", param="id"
            )
        return batch


def _caller(reader: Reader) -> str | None:
    return None if reader.admin else reader.caller or ""
