"""What every queue of jobs says of them: events, and messages about their ends."""

from dataclasses import replace

from fakes.job_queue import DONE, Queue
from tandem.domain.job import JobEvent
from tandem.domain.job_events import MOST_TOLD
from tandem.ports.jobs import Latest


async def test_events_are_numbered_and_can_be_read_on(queue: Queue) -> None:
    (one,) = queue.made(1)
    await queue.jobs.submit([one])
    assert await queue.jobs.events("acme", one.id) == ()
    (lease,) = await queue.jobs.claim("w-1", 1, 30)
    assert await queue.jobs.append(lease, [JobEvent("token", b'"a"'), JobEvent("token", b'"b"')])
    queue.clock.advance(1)
    assert await queue.jobs.append(lease, [JobEvent("token", b'"c"')])
    assert await queue.jobs.append(lease, [])
    told = await queue.jobs.events("acme", one.id)
    assert [each.seq for each in told] == [1, 2, 3, 4]
    assert told[3] == JobEvent("token", b'"c"', 4, queue.clock.epoch_s())
    assert await queue.jobs.events("acme", one.id, after=2) == told[2:]
    assert await queue.jobs.events("acme", one.id, after=1, limit=1) == told[1:2]
    assert await queue.jobs.events("other", one.id) == ()


async def test_tokens_of_a_void_attempt_are_told_no_more_and_no_number_comes_twice(queue: Queue) -> None:
    (one,) = queue.made(1)
    await queue.jobs.submit([one])
    (lease,) = await queue.jobs.claim("w-1", 1, 30)
    await queue.jobs.append(lease, [JobEvent("token", b'"a"')] * 3)
    assert await queue.jobs.release(lease, counted=False, reason="preempted")
    told = await queue.jobs.events("acme", one.id)
    assert [(each.seq, each.kind) for each in told] == [(1, "status"), (5, "retry")]
    # Who had heard of two tokens hears that they are void.
    assert await queue.jobs.events("acme", one.id, after=3) == told[1:]
    (again,) = await queue.jobs.claim("w-1", 1, 30)
    await queue.jobs.append(again, [JobEvent("token", b'"b"')])
    assert await queue.jobs.finish(again, DONE)
    told = await queue.jobs.events("acme", one.id, after=5)
    assert [(each.seq, each.kind) for each in told] == [(6, "status"), (7, "token"), (8, "done")]


async def test_however_often_a_job_is_tried_its_events_are_bounded(queue: Queue) -> None:
    (one,) = queue.made(1)
    await queue.jobs.submit([one])
    for _ in range(MOST_TOLD):
        (lease,) = await queue.jobs.claim("w-1", 1, 30)
        assert await queue.jobs.release(lease, counted=False, reason="preempted")
    told = await queue.jobs.events("acme", one.id)
    assert [each.seq for each in told] == list(range(MOST_TOLD + 1, 2 * MOST_TOLD + 1))
    assert told[-1].kind == "retry"


async def test_the_latest_events_of_many_are_told_in_one_look(queue: Queue) -> None:
    jobs = queue.made(3)
    await queue.jobs.submit(jobs)
    first, second = await queue.jobs.claim("w-1", 2, 30)
    assert await queue.jobs.append(first, [JobEvent("token", b'"a"')] * 2)
    assert await queue.jobs.finish(second, DONE)
    assert await queue.jobs.latest([*(each.id for each in jobs), "job-none"]) == {
        jobs[0].id: Latest(3, ended=False),
        jobs[1].id: Latest(2, ended=True),
        jobs[2].id: Latest(0, ended=False),
    }
    assert await queue.jobs.latest([]) == {}
    many = [f"job-{number}" for number in range(2_500)]
    assert list(await queue.jobs.latest([*many, jobs[0].id])) == [jobs[0].id]


async def test_a_message_is_sent_under_one_id_until_it_arrives(queue: Queue) -> None:
    (one,) = (replace(each, callback_url="https://example.org/hook") for each in queue.made(1))
    await queue.jobs.submit([one])
    assert await queue.deliveries.state("acme", one.id) is None
    await queue.jobs.cancel("acme", one.id)
    now = queue.clock.epoch_s()
    (first,) = await queue.deliveries.claim(5, 30)
    assert await queue.deliveries.claim(5, 30) == ()
    assert await queue.deliveries.failed(first, "refused", now + 60)
    assert not await queue.deliveries.delivered(first)
    queue.clock.advance(59)
    assert await queue.deliveries.claim(5, 30) == ()
    queue.clock.advance(1)
    (second,) = await queue.deliveries.claim(5, 30)
    assert second.id == first.id and (first.attempts, second.attempts) == (1, 2)
    # Its sender is not heard of again.
    queue.clock.advance(30)
    (third,) = await queue.deliveries.claim(5, 30)
    assert not await queue.deliveries.delivered(second)
    assert await queue.deliveries.delivered(third)
    state = await queue.deliveries.state("acme", one.id)
    assert state is not None and (state.status, state.attempts) == ("delivered", 3)
    assert state.ended_at == queue.clock.epoch_s()
    queue.clock.advance(1_000)
    assert await queue.deliveries.claim(5, 30) == ()


async def test_messages_of_some_tenants_can_be_left_out(queue: Queue) -> None:
    for tenant in ("busy", "acme", "other"):
        (one,) = queue.made(1, tenant, callback_url="https://example.org/hook")
        await queue.jobs.submit([one])
        await queue.jobs.cancel(tenant, one.id)
        queue.clock.advance(1)
    (sent,) = await queue.deliveries.claim(1, 30, but=["busy"])
    assert sent.job.tenant == "acme"
    assert [each.job.tenant for each in await queue.deliveries.claim(9, 30, but=["busy", "other"])] == []
    assert {each.job.tenant for each in await queue.deliveries.claim(9, 30)} == {"busy", "other"}


async def test_a_message_that_is_given_up_is_listed_and_can_be_tried_again(queue: Queue) -> None:
    jobs = [replace(each, callback_url="https://example.org/hook") for each in queue.made(2)]
    await queue.jobs.submit(jobs)
    for each in jobs:
        await queue.jobs.cancel("acme", each.id)
    for sent in await queue.deliveries.claim(5, 30):
        queue.clock.advance(1)
        assert await queue.deliveries.failed(sent, "410 Gone", None)
    dead = await queue.deliveries.dead("acme", limit=10)
    assert [(each.status, each.problem, each.url) for each in dead] == [
        ("dead", "410 Gone", "https://example.org/hook")
    ] * 2
    assert dead[0].ended_at == queue.clock.epoch_s()
    assert len(await queue.deliveries.dead("acme", limit=1)) == 1
    assert await queue.deliveries.dead("other", limit=10) == []
    assert not await queue.deliveries.again("other", jobs[0].id)
    assert await queue.deliveries.again("acme", jobs[0].id)
    assert not await queue.deliveries.again("acme", jobs[0].id)
    (sent,) = await queue.deliveries.claim(5, 30)
    assert sent.attempts == 1 and sent.job.id == jobs[0].id
