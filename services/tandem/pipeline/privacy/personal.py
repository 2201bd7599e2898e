"""What is kept of one user: handed out, and deleted, wherever it is."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from tandem.domain.job import Job
from tandem.domain.record import AnswerRecord
from tandem.pipeline.batches.unkept import UNKEPT_BATCHES, UNKEPT_FILES
from tandem.pipeline.jobs.unkept import UNKEPT_JOBS
from tandem.pipeline.privacy.users import Users
from tandem.pipeline.privacy.withholding import Forgettable
from tandem.ports.archive import Archive
from tandem.ports.batches import Batches
from tandem.ports.clock import Clock
from tandem.ports.feedback import FeedbackFilter, FeedbackStore
from tandem.ports.files import Files
from tandem.ports.forgotten import Forgetting, Forgotten
from tandem.ports.jobs import JobCursor, JobFilter, Jobs
from tandem.ports.receipts import MAX_PAGE, Cursor, ReceiptFilter, Receipts


class Held(Protocol):
    """Records of answers in this process that are on their way."""

    async def forget(self, gone: Callable[[AnswerRecord], bool]) -> int:
        """Let go of them; how many there were."""
        ...


class DeletionMeter(Protocol):
    """Counts what was deleted."""

    def deleted(self, where: str, why: str, times: int) -> None:
        """So many, there, for that reason."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where answers and opinions are kept. `archives` and `held` go by the names that people know them by.

    `elsewhere` names who got copies that cannot be called back from here, such as a collector.
    """

    receipts: Receipts
    feedback: FeedbackStore
    forgotten: Forgotten
    archives: Mapping[str, Archive] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    jobs: Jobs = UNKEPT_JOBS
    files: Files = UNKEPT_FILES
    batches: Batches = UNKEPT_BATCHES


@dataclass(frozen=True, slots=True)
class Deletion:
    """How much was deleted, by place. What comes from the spools of other processes is passed over from now on."""

    tenant: str
    user: str
    deleted: Mapping[str, int]
    elsewhere: tuple[str, ...]


class PersonalData:
    """Of users by the ids that callers told; kept ids may be aliases. An admin's business."""

    def __init__(
        self, places: Places, users: Users, forgettable: Forgettable, clock: Clock, meter: DeletionMeter
    ) -> None:
        self._places = places
        self._users = users
        self._forgettable = forgettable
        self._clock = clock
        self._meter = meter

    async def export(self, tenant: str, user: str) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """Everything, each with the kind of thing it is; the last is `end`, with the counts of the others."""
        counts: dict[str, int] = {}
        seen: set[str] = set()
        names = self._users.known_as(tenant, user)
        for name in names:
            async for record in self._records(tenant, name):
                seen.add(record.id)
                counts["receipt"] = counts.get("receipt", 0) + 1
                yield "receipt", asdict(record)
            async for told in self._opinions(tenant, name):
                counts["feedback"] = counts.get("feedback", 0) + 1
                yield "feedback", told
            async for job in self._jobs(tenant, name):
                counts["job"] = counts.get("job", 0) + 1
                yield "job", _told(job)
        for kind, archive in self._places.archives.items():
            for row in await archive.export(names, tenant):
                # The rest was handed out as receipts.
                if row.get("id") not in seen:
                    counts[kind] = counts.get(kind, 0) + 1
                    yield kind, row
        yield "end", counts

    async def delete(self, tenant: str, user: str) -> Deletion:
        """Idempotent: interrupted, it is done again. First nothing more may arrive, then what is there goes."""
        async with self._forgettable.deleting:
            return await self._deleted(tenant, user)

    async def _deleted(self, tenant: str, user: str) -> Deletion:
        places = self._places
        names = self._users.known_as(tenant, user)
        await places.forgotten.note(Forgetting(tenant, names, self._clock.epoch_s()))
        await self._forgettable.refresh(now=True)
        gone: dict[str, int] = {"receipts": 0, "feedback": 0}
        for name in names:
            ids = [record.id async for record in self._records(tenant, name)]
            # What others thought of the user's answers goes with them.
            gone["feedback"] += await places.feedback.forget(tenant, receipt_ids=ids)
            gone["feedback"] += await places.feedback.forget(tenant, user=name)
            gone["receipts"] += await places.receipts.forget(tenant, user=name)
            # Before the lines themselves, by which inputs with a line of the user's are found.
            if batches := await places.batches.forget(tenant, user=name):
                gone["batches"] = gone.get("batches", 0) + batches
            if files := await places.files.forget(tenant, user=name):
                gone["files"] = gone.get("files", 0) + files
            # One that runs has lost its lease: nothing comes of it any more.
            if jobs := await places.jobs.forget(tenant, user=name):
                gone["jobs"] = gone.get("jobs", 0) + jobs
        for kind, archive in places.archives.items():
            gone[kind] = await archive.forget(names, tenant)
        for kind, held in places.held.items():
            gone[kind] = await held.forget(self._forgettable.gone)
        for where, times in gone.items():
            if times:
                self._meter.deleted(where, "user", times)
        return Deletion(tenant, user, gone, places.elsewhere)

    async def _records(self, tenant: str, name: str) -> AsyncIterator[AnswerRecord]:
        after: Cursor | None = None
        while True:
            page = await self._places.receipts.page(tenant, ReceiptFilter(user=name), limit=MAX_PAGE, after=after)
            for record in page.records:
                yield record
            if page.next_after is None:
                return
            after = page.next_after

    async def _jobs(self, tenant: str, name: str) -> AsyncIterator[Job]:
        jobs = self._places.jobs
        after: JobCursor | None = None
        while tenant in await jobs.tenants():
            page = await jobs.page(tenant, JobFilter(user=name), limit=MAX_PAGE, after=after)
            for each in page.jobs:
                if (whole := await jobs.job(tenant, each.id)) is not None:
                    yield whole
            if page.next_after is None:
                return
            after = page.next_after

    async def _opinions(self, tenant: str, name: str) -> AsyncIterator[Mapping[str, Any]]:
        after = None
        while True:
            page = await self._places.feedback.page(tenant, FeedbackFilter(user=name), limit=MAX_PAGE, after=after)
            for each in page.feedback:
                yield asdict(each)
            if page.next_after is None:
                return
            after = page.next_after


def _told(job: Job) -> Mapping[str, Any]:
    return {
        "id": job.id,
        "status": job.status,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
        "callback_url": job.callback_url,
        "request": json.loads(job.body) if job.body else None,
        "result": json.loads(job.result) if job.result else None,
    }
