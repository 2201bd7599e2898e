"""Files, batches and their lines as a test needs them."""

from collections.abc import AsyncIterator
from typing import Any

from tandem.adapters.scripted.batches import ScriptedBatches
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.files import ScriptedFiles
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.domain.batch import CHAT, Batch, BatchLease, StoredFile, line_id
from tandem.domain.job import BATCHES, Job, Lease, Outcome
from tandem.ports.batches import Batches
from tandem.ports.files import Files
from tandem.ports.jobs import Jobs

DAY_S = 86_400.0


async def pieces(*data: bytes, fault: BaseException | None = None) -> AsyncIterator[bytes]:
    """Of a content, which may break off."""
    for piece in data:
        yield piece
    if fault is not None:
        raise fault


class BatchStores:
    """The doubles over one another, or what a test puts in their place; and their time."""

    def __init__(self) -> None:
        self.clock = ScriptedClock()
        jobs, files = ScriptedJobs(self.clock), ScriptedFiles()
        self.jobs: Jobs = jobs
        self.files: Files = files
        self.batches: Batches = ScriptedBatches(jobs, files, self.clock)

    def file(self, name: str = "file-1", tenant: str = "acme", **more: Any) -> StoredFile:
        """One that was uploaded just now."""
        now = self.clock.epoch_s()
        purpose = more.pop("purpose", "batch")
        return StoredFile(name, f"{name}.jsonl", purpose, now, now + 30 * DAY_S, tenant=tenant, **more)

    def batch(self, name: str = "batch_1", tenant: str = "acme", **more: Any) -> Batch:
        """One that was created just now."""
        now = self.clock.epoch_s()
        return Batch(name, more.pop("input_file_id", "file-1"), CHAT, "24h", now, now + DAY_S, tenant, **more)

    def line(self, batch: Batch, number: int, **more: Any) -> Job:
        """One that waits."""
        return Job(
            line_id(batch.id, number),
            b"{}",
            self.clock.epoch_s(),
            batch.tenant,
            queue=batch.queue,
            expires_at=batch.expires_at,
            batch_id=batch.id,
            custom_id=f"q-{number}",
            line=number,
            **more,
        )

    async def put(self, file: StoredFile, *data: bytes) -> StoredFile:
        """Uploaded."""
        return await self.files.put(file, pieces(*data))

    async def content(self, file: StoredFile) -> bytes:
        """All of it."""
        return b"".join([piece async for piece in self.files.content(file)])

    async def created(self, name: str = "batch_1", tenant: str = "acme", lines: int = 0, **more: Any) -> Batch:
        """A batch with so many lines."""
        batch = self.batch(name, tenant, **more)
        await self.batches.create(batch)
        if lines:
            await self.jobs.submit([self.line(batch, number) for number in range(lines)])
        return batch

    async def claimed(self, lease_s: float = 60.0) -> BatchLease:
        """The batch that is due."""
        lease = await self.batches.claim(lease_s)
        assert lease is not None
        return lease

    async def running(self, most: int = 1, lease_s: float = 30.0) -> tuple[Lease, ...]:
        """Lines that somebody runs from now on."""
        return await self.jobs.claim("w-1", most, lease_s, [BATCHES])

    async def answered(self, most: int = 1) -> None:
        """So many lines, each with its id."""
        for lease in await self.running(most):
            await self.jobs.finish(lease, Outcome("succeeded", b'"%s"' % lease.job.id.encode(), receipt_id="rcpt-1"))
