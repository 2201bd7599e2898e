"""One suite over every queue of jobs: the double, SQLite, PostgreSQL."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from fakes.job_queue import DONE, Queue, claimed
from fakes.jobs import job
from tandem.domain.errors import DocumentRejected, IdempotencyConflict
from tandem.domain.job import JobEvent, JobFailure, Outcome
from tandem.domain.tenants import Priority
from tandem.ports.jobs import MAX_SUBMIT, Depth, JobFilter


async def test_what_is_submitted_comes_back_as_it_was(queue: Queue) -> None:
    now = queue.clock.epoch_s()
    whole = job(
        1, at=now, priority=Priority.high, caller="key-1", groups=("hr", "it"), user="u-7", weight=2.5,
        not_before=now + 5, expires_at=now + 50, callback_url="https://example.org/hook", idempotency_key="k\u00e9y-1",
        batch_id="batch-1", custom_id="line one", line=0,
    )  # fmt: skip
    assert await queue.jobs.submit([whole]) == (whole,)
    assert await queue.jobs.job("acme", whole.id) == whole
    assert await queue.jobs.job("other", whole.id) is None
    assert await queue.jobs.job("acme", "job-none") is None
    assert await queue.jobs.tenants() == ("acme",)


async def test_texts_that_no_database_holds_do_no_harm(queue: Queue) -> None:
    odd = "a\0b\ud800"
    one = replace(
        queue.made(1)[0], user=odd, caller=odd, groups=(odd,), custom_id=odd, idempotency_key=odd, body=b"\0\xff"
    )
    await queue.jobs.submit([one])
    assert (await queue.jobs.submit([replace(one, id="job-2")]))[0].id == one.id
    (lease,) = await queue.jobs.claim(odd, 1, 30)
    assert lease.job.body == b"\0\xff"
    assert await queue.jobs.finish(lease, Outcome("failed", failure=JobFailure("internal_error", odd)))
    assert await queue.jobs.forget("acme", user=odd) == 1


async def test_a_key_names_one_job_and_another_body_under_it_is_a_conflict(queue: Queue) -> None:
    first, second, third = (replace(each, idempotency_key="k") for each in queue.made(3))
    await queue.jobs.submit([first])
    assert await queue.jobs.submit([second]) == (first,)
    # Another tenant's key is another key.
    elsewhere = replace(second, tenant="other", id="job-elsewhere")
    assert await queue.jobs.submit([elsewhere]) == (elsewhere,)
    with pytest.raises(IdempotencyConflict):
        await queue.jobs.submit([queue.made(9)[8], replace(third, body=b"{}")])
    assert len((await queue.jobs.page("acme", JobFilter(), limit=10)).jobs) == 1
    # It says how far the job is by now.
    (lease,) = await queue.jobs.claim("w-1", 1, 30)
    assert lease.job.id == first.id
    assert (await queue.jobs.submit([second]))[0].status == "running"


async def test_to_submit_the_same_job_again_changes_nothing(queue: Queue) -> None:
    jobs = queue.made(3)
    await queue.jobs.submit(jobs[:2])
    (lease,) = await queue.jobs.claim("w-1", 1, 30)
    again = await queue.jobs.submit(jobs)
    assert [each.id for each in again] == [each.id for each in jobs] and again[0] == lease.job
    assert await queue.jobs.waiting("acme", most=9) == 3
    with pytest.raises(IdempotencyConflict):
        await queue.jobs.submit([replace(jobs[0], body=b"{}")])


async def test_those_who_submit_the_same_at_once_get_one_job(queue: Queue) -> None:
    same = [replace(each, idempotency_key="k") for each in queue.made(20)]
    shown = await asyncio.gather(*(queue.jobs.submit([each]) for each in same))
    assert len({each[0].id for each in shown}) == 1
    assert len((await queue.jobs.page("acme", JobFilter(), limit=50)).jobs) == 1


async def test_of_those_who_submit_at_once_only_the_wrong_one_fails(queue: Queue) -> None:
    right = queue.made(10)
    wrong = [
        replace(right[0], id="job-a", idempotency_key="k"),
        replace(right[0], id="job-b", idempotency_key="k", body=b"{}"),
    ]
    shown = await asyncio.gather(
        *(queue.jobs.submit([each]) for each in right), queue.jobs.submit(wrong), return_exceptions=True
    )
    assert isinstance(shown[-1], IdempotencyConflict)
    assert [each[0].id for each in shown[:-1] if isinstance(each, tuple)] == [each.id for each in right]


async def test_too_many_at_once_are_refused(queue: Queue) -> None:
    with pytest.raises(DocumentRejected):
        await queue.jobs.submit(queue.made(MAX_SUBMIT + 1))


async def test_within_a_tenant_they_are_claimed_in_the_order_they_came(queue: Queue) -> None:
    jobs = queue.made(5)
    await queue.jobs.submit(jobs[:2])
    await queue.jobs.submit(jobs[2:])
    assert await claimed(queue, 3) == [each.id for each in jobs[:3]]
    assert await claimed(queue, 3) == [each.id for each in jobs[3:]]
    assert await claimed(queue, 3) == []


async def test_a_tenants_many_do_not_hold_up_another_ones_few(queue: Queue) -> None:
    await queue.jobs.submit(queue.made(200, "hoarder"))
    await claimed(queue, 20)
    await queue.jobs.submit(queue.made(10, "small"))
    order = await claimed(queue, 20)
    assert sum("small" in each for each in order) >= 9


async def test_whoever_comes_anew_does_not_make_up_for_what_it_never_asked(queue: Queue) -> None:
    await queue.jobs.submit(queue.made(200, "steady"))
    await claimed(queue, 100)
    await queue.jobs.submit(queue.made(60, "new"))
    assert sum("new" in each for each in await claimed(queue, 40)) == pytest.approx(20, abs=1)


async def test_those_that_come_again_do_not_hold_up_another_tenants_few(queue: Queue) -> None:
    await queue.jobs.submit(queue.made(80, "stuck"))
    soon = queue.clock.epoch_s() + 1
    for lease in await queue.jobs.claim("w", 40, 30):
        assert await queue.jobs.release(lease, not_before=soon, counted=False, reason="overloaded")
    queue.clock.advance(2)
    await queue.jobs.submit(queue.made(10, "small"))
    order = await claimed(queue, 33)
    assert sum("small" in each for each in order) >= 9


async def test_the_weight_of_a_tenant_is_its_share(queue: Queue) -> None:
    await queue.jobs.submit(queue.made(100, "light"))
    await queue.jobs.submit(queue.made(100, "heavy", weight=3.0))
    order = await claimed(queue, 80)
    assert sum("heavy" in each for each in order) == pytest.approx(60, abs=2)


async def test_higher_priorities_go_first_and_lower_ones_go_on(queue: Queue) -> None:
    for priority in Priority:
        await queue.jobs.submit(queue.made(100, priority=priority))
    order = await claimed(queue, 63)
    counts = [sum(f"-{priority.name}-" in each for each in order) for priority in Priority]
    assert counts == pytest.approx([3, 12, 48], abs=1)


async def test_a_low_one_is_not_starved_by_high_ones_that_keep_coming(queue: Queue) -> None:
    await queue.jobs.submit(queue.made(1, priority=Priority.low))
    for round_ in range(30):
        high = [job(round_ * 10 + each, at=queue.clock.epoch_s(), priority=Priority.high) for each in range(10)]
        await queue.jobs.submit(high)
        if any("-low-" in each for each in await claimed(queue, 5)):
            return
    pytest.fail("the low one never came")


async def test_it_waits_for_its_time_and_then_comes_in_its_turn(queue: Queue) -> None:
    late = replace(queue.made(1)[0], id="job-late", not_before=queue.clock.epoch_s() + 10)
    await queue.jobs.submit([late, *queue.made(2)])
    assert late.id not in await claimed(queue, 5)
    queue.clock.advance(9.9)
    assert await claimed(queue, 5) == []
    queue.clock.advance(0.2)
    assert await claimed(queue, 5) == [late.id]


async def test_an_expired_job_fails_and_is_never_run(queue: Queue) -> None:
    now = queue.clock.epoch_s()
    one, later = (replace(each, expires_at=now + 5, callback_url="https://example.org") for each in queue.made(2))
    later = replace(later, not_before=now + 60)
    await queue.jobs.submit([one, later])
    queue.clock.advance(5)
    assert await claimed(queue, 5) == []
    for each in (one, later):
        ended = await queue.jobs.job("acme", each.id)
        assert ended is not None and ended.status == "failed"
        assert ended.failure is not None and ended.failure.code == "expired"
        assert ended.ended_at == now + 5 and await queue.kinds(each) == ["done"]
    assert len(await queue.deliveries.claim(5, 30)) == 2


async def test_a_job_ends_once_with_its_result_and_one_message(queue: Queue) -> None:
    (one,) = (replace(each, callback_url="https://example.org/hook") for each in queue.made(1))
    await queue.jobs.submit([one])
    (lease,) = await queue.jobs.claim("w-1", 1, 30)
    assert lease.job.status == "running" and lease.job.attempts == 1 and lease.job.body == one.body
    assert lease.until == queue.clock.epoch_s() + 30
    queue.clock.advance(2)
    assert await queue.jobs.finish(lease, DONE)
    assert not await queue.jobs.finish(lease, Outcome("failed", failure=JobFailure("internal_error", "No.")))
    assert not await queue.jobs.append(lease, [JobEvent("token", b'"x"')])
    assert not await queue.jobs.release(lease)
    done = await queue.jobs.job("acme", one.id)
    assert done is not None
    assert (done.status, done.result, done.receipt_id) == ("succeeded", DONE.result, "rcpt-1")
    assert (done.started_at, done.ended_at) == (lease.until - 30, queue.clock.epoch_s())
    assert await queue.kinds(one) == ["status", "done"]
    assert [each.job for each in await queue.deliveries.claim(9, 30)] == [done]


async def test_what_a_lease_that_lapsed_does_has_no_effect(queue: Queue) -> None:
    (one,) = queue.made(1)
    await queue.jobs.submit([one])
    (old,) = await queue.jobs.claim("w-1", 1, 30)
    await queue.jobs.append(old, [JobEvent("token", b'"Half"')])
    queue.clock.advance(30.1)
    (new,) = await queue.jobs.claim("w-2", 1, 30)
    assert new.job.id == one.id and new.job.attempts == 2 and new.token != old.token
    assert await queue.jobs.renew([old], 30) == {one.id}
    assert not await queue.jobs.append(old, [JobEvent("token", b'" and half"')])
    assert not await queue.jobs.release(old)
    assert not await queue.jobs.finish(old, Outcome("failed", failure=JobFailure("internal_error", "No.")))
    assert await queue.jobs.finish(new, DONE)
    assert await queue.kinds(one) == ["status", "retry", "status", "done"]
    assert json.loads((await queue.jobs.events("acme", one.id))[1].data)["reason"] == "lease_lapsed"


async def test_a_lease_that_is_renewed_does_not_lapse(queue: Queue) -> None:
    await queue.jobs.submit(queue.made(2))
    leases = await queue.jobs.claim("w-1", 2, 30)
    queue.clock.advance(29)
    assert await queue.jobs.renew(leases[:1], 30) == frozenset()
    queue.clock.advance(2)
    assert await claimed(queue, 5, "w-2") == [leases[1].job.id]
    assert await queue.jobs.renew([], 30) == frozenset()


async def test_one_that_waits_is_cancelled_at_once(queue: Queue) -> None:
    now = queue.clock.epoch_s()
    ready, late = (replace(each, callback_url="https://example.org") for each in queue.made(2))
    late = replace(late, not_before=now + 9)
    await queue.jobs.submit([ready, late])
    assert await queue.jobs.cancel("other", ready.id) is None
    for each in (ready, late):
        cancelled = await queue.jobs.cancel("acme", each.id)
        assert cancelled is not None and cancelled.status == "cancelled" and cancelled.ended_at == now
        assert await queue.kinds(each) == ["done"]
        assert await queue.jobs.cancel("acme", each.id) == cancelled
    queue.clock.advance(10)
    assert await claimed(queue, 5) == []
    assert len(await queue.deliveries.claim(5, 30)) == 2


async def test_one_that_runs_is_told_to_stop_and_ended_by_its_worker(queue: Queue) -> None:
    jobs = queue.made(2)
    await queue.jobs.submit(jobs)
    leases = await queue.jobs.claim("w-1", 2, 30)
    assert await queue.jobs.wanted_stopped("w-1") == frozenset()
    stopping = await queue.jobs.cancel("acme", jobs[0].id)
    assert stopping is not None and stopping.status == "running" and stopping.stopping
    assert await queue.jobs.wanted_stopped("w-1") == {jobs[0].id}
    assert await queue.jobs.wanted_stopped("w-2") == frozenset()
    assert await queue.jobs.renew(leases, 30) == {jobs[0].id}
    assert await queue.jobs.finish(leases[0], Outcome("cancelled"))
    assert await queue.jobs.wanted_stopped("w-1") == frozenset()
    ended = await queue.jobs.job("acme", jobs[0].id)
    assert ended is not None and ended.status == "cancelled" and not ended.stopping
    # What has ended stays as it is.
    assert await queue.jobs.finish(leases[1], DONE)
    kept = await queue.jobs.cancel("acme", jobs[1].id)
    assert kept is not None and kept.status == "succeeded" and not kept.stopping


async def test_one_to_be_stopped_is_not_run_again(queue: Queue) -> None:
    jobs = queue.made(2)
    await queue.jobs.submit(jobs)
    leases = await queue.jobs.claim("w-1", 2, 30)
    for each in jobs:
        await queue.jobs.cancel("acme", each.id)
    assert await queue.jobs.release(leases[0])
    queue.clock.advance(31)
    assert await claimed(queue, 5) == []
    for each in jobs:
        ended = await queue.jobs.job("acme", each.id)
        assert ended is not None and ended.status == "cancelled"
        assert (await queue.kinds(each))[-1] == "done"


async def test_what_is_put_back_goes_first_and_counts_where_it_should(queue: Queue) -> None:
    jobs = queue.made(4)
    await queue.jobs.submit(jobs)
    first, second = await queue.jobs.claim("w-1", 2, 30)
    assert await queue.jobs.release(first, counted=False, reason="preempted")
    assert await queue.jobs.release(second, not_before=queue.clock.epoch_s() + 3, reason="upstream_unavailable")
    (again,) = await queue.jobs.claim("w-1", 1, 30)
    assert again.job.id == first.job.id and again.job.attempts == 1
    queue.clock.advance(3)
    (again,) = await queue.jobs.claim("w-1", 1, 30)
    assert again.job.id == second.job.id and again.job.attempts == 2
    assert again.job.started_at == first.job.started_at
    retry = (await queue.jobs.events("acme", second.job.id))[1]
    assert retry.kind == "retry" and json.loads(retry.data)["reason"] == "upstream_unavailable"


async def test_pages_are_newest_first_and_filtered(queue: Queue) -> None:
    jobs = [replace(each, user="u-1" if each.line else None, caller="key") for each in queue.made(5)]
    jobs = [replace(each, batch_id="b" if number > 2 else None) for number, each in enumerate(jobs)]
    await queue.jobs.submit(jobs)
    await queue.jobs.submit(queue.made(3, "other"))
    first = await queue.jobs.page("acme", JobFilter(), limit=2)
    rest = await queue.jobs.page("acme", JobFilter(), limit=10, after=first.next_after)
    assert [each.id for each in (*first.jobs, *rest.jobs)] == [each.id for each in reversed(jobs)]
    assert rest.next_after is None and not any(each.body or each.result for each in first.jobs)
    (lease,) = [lease for lease in await queue.jobs.claim("w-1", 1, 30) if lease.job.tenant == "acme"]

    async def found(wanted: JobFilter) -> Sequence[str]:
        return [each.id for each in (await queue.jobs.page("acme", wanted, limit=10)).jobs]

    assert await found(JobFilter(status="running")) == [lease.job.id]
    assert await found(JobFilter(batch_id="b")) == [jobs[4].id, jobs[3].id]
    assert await found(JobFilter(user="u-1")) == []
    assert len(await found(JobFilter(caller="key", since=jobs[1].created_at, until=jobs[3].created_at))) == 2


async def test_the_depth_tells_what_can_run_waits_and_runs(queue: Queue) -> None:
    assert await queue.jobs.depth() == ()
    await queue.jobs.submit(queue.made(3))
    await queue.jobs.submit([replace(queue.made(9)[8], not_before=queue.clock.epoch_s() + 9)])
    await queue.jobs.submit(queue.made(1, "other", priority=Priority.low))
    await claimed(queue, 1)
    assert await queue.jobs.depth() == (
        Depth("answers", "acme", Priority.normal, ready=2, later=1, running=1),
        Depth("answers", "other", Priority.low, ready=1),
    )
    # Where nobody claims, nobody finds out that a job's time has come; who looks at the depth has to.
    queue.clock.advance(9)
    assert (await queue.jobs.depth())[0] == Depth("answers", "acme", Priority.normal, ready=3, running=1)


async def test_it_tells_who_has_jobs_to_run(queue: Queue) -> None:
    assert await queue.jobs.ready(most=9) == ()
    for tenant in ("b", "a", "c"):
        await queue.jobs.submit(queue.made(2, tenant))
    await queue.jobs.submit([replace(queue.made(1, "later")[0], not_before=queue.clock.epoch_s() + 9)])
    await queue.jobs.submit([replace(queue.made(1, "other")[0], queue="batch")])
    assert await queue.jobs.ready(most=9) == ("a", "b", "c")
    assert await queue.jobs.ready(most=2) == ("a", "b")
    assert await queue.jobs.ready(most=9, queues=["batch", "answers"]) == ("a", "b", "c", "other")
    await claimed(queue, 5)
    assert len(await queue.jobs.ready(most=9)) == 1


async def test_queues_are_apart_and_the_first_that_has_any_goes_first(queue: Queue) -> None:
    await queue.jobs.submit([replace(queue.made(1)[0], queue="batch", id="job-batch"), *queue.made(1)])
    assert [lease.job.id for lease in await queue.jobs.claim("w", 5, 30, ["other"])] == []
    both = [lease.job.queue for lease in await queue.jobs.claim("w", 5, 30, ["batch", "answers"])]
    assert both == ["batch", "answers"]


async def test_what_is_forgotten_is_gone_with_all_that_hangs_on_it(queue: Queue) -> None:
    mine, running, other = (
        replace(each, user="u-1" if number < 2 else "u-2", callback_url="https://example.org")
        for number, each in enumerate(queue.made(3))
    )
    await queue.jobs.submit([mine, running, other])
    leases = await queue.jobs.claim("w", 2, 30)
    await queue.jobs.finish(leases[0], DONE)
    assert await queue.jobs.forget("other") == 0
    assert await queue.jobs.forget("acme", user="u-1", before=mine.created_at) == 0
    assert await queue.jobs.forget("acme", user="u-1") == 2
    assert await queue.jobs.events("acme", mine.id) == ()
    assert await queue.deliveries.claim(5, 30) == ()
    assert not await queue.jobs.finish(leases[1], DONE)
    (lease,) = await queue.jobs.claim("w", 2, 30)
    await queue.jobs.finish(lease, DONE)
    assert await queue.jobs.forget("acme", ended_before=queue.clock.epoch_s()) == 0
    queue.clock.advance(1)
    await queue.jobs.submit([replace(queue.made(9)[8])])
    assert await queue.jobs.forget("acme", ended_before=queue.clock.epoch_s()) == 1
    assert len((await queue.jobs.page("acme", JobFilter(), limit=10)).jobs) == 1


async def test_a_tenants_open_jobs_are_counted_up_to_a_bound(queue: Queue) -> None:
    await queue.jobs.submit([*queue.made(5), *queue.made(2, "other")])
    (lease,) = await queue.jobs.claim("w", 1, 30.0)
    assert await queue.jobs.waiting("acme", most=100) == 5
    assert await queue.jobs.waiting("acme", most=3) == 3
    assert await queue.jobs.waiting("nobody", most=100) == 0
    assert await queue.jobs.finish(lease, DONE)
    left = 4 if lease.job.tenant == "acme" else 5
    assert await queue.jobs.waiting("acme", most=100) == left
