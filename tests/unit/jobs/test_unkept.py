"""Where there is no place for jobs, whoever asks for one is told what it takes, and who looks after them finds none."""

import pytest

from fakes.jobs import job
from tandem.domain.errors import NotServed
from tandem.domain.job import Lease, Outcome
from tandem.pipeline.jobs.unkept import UNKEPT_JOBS, UNSENT
from tandem.ports.jobs import JobFilter

JOB = job(1, at=1_000.0)
LEASE = Lease(JOB, "token", 2_000.0)


async def test_whoever_asks_for_a_job_is_told_what_it_takes() -> None:
    asked = (
        UNKEPT_JOBS.submit([JOB]),
        UNKEPT_JOBS.job("acme", JOB.id),
        UNKEPT_JOBS.page("acme", JobFilter(), limit=1),
        UNKEPT_JOBS.cancel("acme", JOB.id),
        UNKEPT_JOBS.events("acme", JOB.id),
        UNKEPT_JOBS.waiting("acme", most=1),
    )
    for each in asked:
        with pytest.raises(NotServed) as refused:
            await each
        assert "state.url" in (refused.value.hint or "")


async def test_whoever_looks_after_jobs_finds_none() -> None:
    assert await UNKEPT_JOBS.claim("w", 1, 30) == ()
    assert await UNKEPT_JOBS.renew([LEASE], 30) == {JOB.id}
    assert await UNKEPT_JOBS.wanted_stopped("w") == frozenset()
    assert not await UNKEPT_JOBS.finish(LEASE, Outcome("succeeded"))
    assert not await UNKEPT_JOBS.release(LEASE)
    assert not await UNKEPT_JOBS.append(LEASE, [])
    assert await UNKEPT_JOBS.depth() == () == await UNKEPT_JOBS.tenants()
    assert await UNKEPT_JOBS.forget("acme") == 0
    assert await UNSENT.claim(1, 30) == ()
    assert not await UNSENT.again("acme", JOB.id)
