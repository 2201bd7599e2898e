"""Batches over doubles of their stores, and those who move them on."""

from collections.abc import Callable
from typing import Any

import orjson

from fakes.batches import BatchStores
from tandem.adapters.scripted.batch_pods import ScriptedBatchPods
from tandem.adapters.scripted.batches import ScriptedBatches
from tandem.adapters.scripted.files import ScriptedFiles
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.domain.batch import CHAT, Batch
from tandem.domain.batch_line import BatchLine
from tandem.domain.job import Job
from tandem.http.wire.batches import line_job, written_line
from tandem.pipeline.batches.staffing import Staffing
from tandem.pipeline.batches.supervising import BatchRules, Supervising, written_lines


def line(custom_id: str, **more: Any) -> bytes:
    body = {"model": "tandem", "messages": [{"role": "user", "content": f"What about {custom_id}?"}], **more}
    return orjson.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}) + b"\n"


class Scene:
    """Doubles, and those who move batches on over them."""

    def __init__(self, rules: BatchRules | None = None) -> None:
        self.stores = BatchStores()
        self.clock = self.stores.clock
        self.rules = rules or BatchRules()
        assert isinstance(self.stores.jobs, ScriptedJobs)
        assert isinstance(self.stores.files, ScriptedFiles)
        assert isinstance(self.stores.batches, ScriptedBatches)
        self.jobs, self.files, self.batches = self.stores.jobs, self.stores.files, self.stores.batches
        self.pods = ScriptedBatchPods()
        self.rung = 0
        self.one = self.supervisor()

    def supervisor(
        self, on_line: Callable[[BatchLine], None] = lambda _: None, collection: str = "docs"
    ) -> Supervising:
        def prepare(read: BatchLine, batch: Batch) -> Job:
            on_line(read)
            return line_job(read, batch, collection, self.clock.epoch_s(), alias="tandem")

        return Supervising(
            self.batches,
            self.files,
            self.jobs,
            self.clock,
            self.rules,
            prepare,
            written_line,
            Staffing(self.pods),
            self._ring,
        )

    async def begun(self, *data: bytes, **more: Any) -> Batch:
        await self.stores.put(self.stores.file(), *data)
        return await self.stores.created(**more)

    async def round(self, by: Supervising | None = None) -> Batch:
        """Of the one batch there is; what it is then."""
        assert await (by or self.one).round()
        return await self.now()

    async def now(self) -> Batch:
        (held,) = self.batches.held.values()
        return held.batch

    async def later(self, by: Supervising | None = None) -> Batch:
        self.clock.advance(60)
        return await self.round(by)

    async def written(self, side: str) -> list[dict[str, Any]]:
        batch = await self.now()
        found = [piece async for piece in written_lines(self.batches, batch, side, written_line)]  # type: ignore[arg-type]
        told = b"".join(found)
        file_id = batch.output_file_id if side == "output" else batch.error_file_id
        assert (file_id is not None) is bool(told)
        if file_id is not None:
            file = await self.files.file("acme", file_id)
            assert file is not None
            assert (file.size, file.batch_id, file.purpose) == (len(told), batch.id, "batch_output")
        return [orjson.loads(each) for each in told.splitlines()]

    async def ids(self, side: str) -> list[str | None]:
        return [each["custom_id"] for each in await self.written(side)]

    def _ring(self) -> None:
        self.rung += 1
