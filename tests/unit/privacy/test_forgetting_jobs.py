"""Jobs are handed out, deleted by user, and go in time, like what was answered at once."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from fakes.jobs import job
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.scripted.feedback import ScriptedFeedback
from tandem.adapters.scripted.forgotten import ScriptedForgotten
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.adapters.scripted.receipts import ScriptedReceipts
from tandem.domain.job import Outcome
from tandem.pipeline.privacy.personal import PersonalData, Places
from tandem.pipeline.privacy.retention import Retention
from tandem.pipeline.privacy.users import Users
from tandem.pipeline.privacy.withholding import DAY_S, Forgettable
from tandem.ports.jobs import JobFilter


class Meter:
    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def deleted(self, where: str, why: str, times: int) -> None:
        self.counts[where, why] += times


class House:
    """Two jobs of Ann's and one of Bob's at acme, one of Ann's at north; the first of Ann's has ended."""

    def __init__(self) -> None:
        self.clock = ScriptedClock()
        self.jobs = ScriptedJobs(self.clock)
        self.meter = Meter()
        self.places = Places(ScriptedReceipts(), ScriptedFeedback(), ScriptedForgotten(), jobs=self.jobs)
        forgettable = Forgettable(self.places.forgotten, self.kept_days, self.clock)
        self.personal = PersonalData(self.places, Users(b"k" * 32), forgettable, self.clock, self.meter)
        self.forgettable = forgettable

    def retention(self, job_days: float = math.inf) -> Retention:
        return Retention(self.places, self.kept_days, None, self.forgettable, self.clock, self.meter, job_days=job_days)

    def kept_days(self, tenant: str) -> float | None:
        return 30.0 if tenant == "acme" else None

    async def fill(self) -> None:
        now = self.clock.epoch_s()
        ann = [replace(job(number, at=now), user="ann") for number in range(2)]
        await self.jobs.submit(
            [*ann, replace(job(2, at=now), user="bob"), replace(job(0, "north", at=now), user="ann")]
        )
        (lease,) = await self.jobs.claim("w", 1, 30)
        await self.jobs.finish(lease, Outcome("succeeded", b'{"id":"chatcmpl-1"}'))

    async def left(self, tenant: str) -> int:
        return len((await self.jobs.page(tenant, JobFilter(), limit=10)).jobs)


@pytest.fixture
async def house() -> House:
    made = House()
    await made.fill()
    return made


async def test_a_users_jobs_are_handed_out_with_questions_and_answers(house: House) -> None:
    told = [value async for kind, value in house.personal.export("acme", "ann") if kind == "job"]
    assert Counter(each["status"] for each in told) == {"succeeded": 1, "queued": 1}
    assert all(each["request"]["messages"] for each in told)
    assert [each["result"] for each in told if each["result"]] == [{"id": "chatcmpl-1"}]


async def test_a_users_jobs_are_deleted_whether_they_ended_or_not(house: House) -> None:
    done = await house.personal.delete("acme", "ann")
    assert done.deleted["jobs"] == 2
    assert (await house.left("acme"), await house.left("north")) == (1, 1)
    assert house.meter.counts["jobs", "user"] == 2


async def test_jobs_go_when_they_ended_long_ago_and_never_while_they_wait(house: House) -> None:
    retention = house.retention()
    house.clock.advance(30 * DAY_S)
    assert await retention.round() == {}
    house.clock.advance(1)
    assert await retention.round() == {"jobs": 1}
    assert (await house.left("acme"), await house.left("north")) == (2, 1)


async def test_jobs_go_some_days_after_their_end_wherever_the_rest_is_kept_longer(house: House) -> None:
    retention = house.retention(job_days=7)
    for lease in await house.jobs.claim("w", 3, 30):
        await house.jobs.finish(lease, Outcome("succeeded"))
    house.clock.advance(7 * DAY_S + 1)
    assert await retention.round() == {"jobs": 4}
    # North keeps everything else for ever.
    assert (await house.left("acme"), await house.left("north")) == (0, 0)
