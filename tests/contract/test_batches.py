"""One suite over every store of batches: the double, SQLite, PostgreSQL."""

import asyncio
from dataclasses import replace

from fakes.batches import DAY_S, BatchStores
from tandem.domain.batch import BatchFault, StoredFile, Tally, output_id
from tandem.domain.job import BATCHES, JobFailure, Outcome
from tandem.ports.jobs import JobFilter

EXPIRED = Outcome("failed", failure=JobFailure("expired", "Too late."))
FAULTY = Outcome("failed", failure=JobFailure("upstream_failed", "It broke."))


async def listed(stores: BatchStores, tenant: str = "acme", **more: object) -> list[str]:
    wanted: dict[str, object] = {"caller": None, "limit": 50, **more}
    return [batch.id for batch in (await stores.batches.page(tenant, **wanted)).batches]  # type: ignore[arg-type]


async def test_what_is_created_comes_back_as_it_was(stores: BatchStores) -> None:
    whole = await stores.created(
        caller="key-1", groups=("hr", "it"), user="u-7", admin=True, weight=2.5, queue="batches/batch_1",
        metadata={"run": "n\u00e9w"}, faults=(BatchFault("c", "m", 7),),
    )  # fmt: skip
    assert await stores.batches.batch("acme", whole.id) == whole
    assert await stores.batches.batch("acme", "batch_none") is None
    assert await stores.batches.tenants() == ("acme",)


async def test_another_tenants_batch_is_not_there(stores: BatchStores) -> None:
    batch = await stores.created(lines=1)
    assert await stores.batches.batch("other", batch.id) is None
    assert await stores.batches.anybodys(batch.id) == batch
    assert await stores.batches.anybodys("batch_none") is None
    assert await stores.batches.cancel("other", batch.id) is None
    assert await stores.batches.open("other") == 0
    assert await listed(stores, "other") == []
    assert await stores.batches.forget("other") == 0
    await stores.batches.drop_lines("other", batch.id, "errors")
    foreign = replace(batch, tenant="other")
    assert await stores.batches.tally(foreign) == Tally()
    assert await stores.batches.stop_lines(foreign, 9) == 0
    assert await stores.batches.lines(foreign, "errors", limit=9) == ()
    assert await stores.batches.tally(batch) == Tally(open=1)


async def test_pages_are_newest_first_and_go_on_behind_a_batch(stores: BatchStores) -> None:
    for number in range(5):
        await stores.created(f"batch_{number}", caller=f"key-{number % 2}")
        stores.clock.advance(0 if number == 2 else 1)
    await stores.created("batch_x", "other")
    order = [f"batch_{number}" for number in (4, 3, 2, 1, 0)]
    page = await stores.batches.page("acme", caller=None, limit=2)
    assert ([batch.id for batch in page.batches], page.more) == (order[:2], True)
    page = await stores.batches.page("acme", caller=None, limit=3, after="batch_3")
    assert ([batch.id for batch in page.batches], page.more) == (order[2:], False)
    assert await listed(stores, caller="key-1") == ["batch_3", "batch_1"]
    for unknown in ("batch_none", "batch_x"):
        assert await listed(stores, after=unknown) == []
    assert await stores.batches.open("acme") == 5
    assert await stores.batches.going() == {"validating": 6}
    await stores.batches.cancel("acme", "batch_3")
    assert await stores.batches.going() == {"validating": 5, "cancelling": 1}


async def test_one_moves_it_on_until_its_lease_is_over(stores: BatchStores) -> None:
    batch = await stores.created()
    first = await stores.claimed(60)
    assert first.batch == batch
    assert await stores.batches.claim(60) is None
    stores.clock.advance(50)
    assert await stores.batches.keep(first, replace(batch, read=7), 60)
    stores.clock.advance(50)
    assert await stores.batches.claim(60) is None
    stores.clock.advance(11)
    second = await stores.claimed(60)
    assert second.batch.read == 7 and second.token != first.token
    # Whoever lost it changes nothing.
    assert not await stores.batches.keep(first, batch, 60)
    assert not await stores.batches.end(first, replace(batch, status="completed", ended_at=1.0), ())
    await stores.batches.release(first, 0)
    assert await stores.batches.claim(60) is None
    assert await stores.batches.batch("acme", batch.id) == replace(batch, read=7)
    await stores.batches.release(second, 5)
    assert await stores.batches.claim(60) is None
    stores.clock.advance(5)
    assert (await stores.claimed()).batch.id == batch.id


async def test_those_who_claim_at_once_get_different_ones_the_longest_due_first(stores: BatchStores) -> None:
    for number in range(4):
        await stores.created(f"batch_{number}")
        stores.clock.advance(1)
    assert (await stores.claimed()).batch.id == "batch_0"
    leases = await asyncio.gather(*(stores.batches.claim(60) for _ in range(6)))
    got = [lease.batch.id for lease in leases if lease is not None]
    # One that just looks at what another one takes may go without.
    while (lease := await stores.batches.claim(60)) is not None:
        got.append(lease.batch.id)
    assert sorted(got) == ["batch_1", "batch_2", "batch_3"]


async def test_a_cancellation_wins_over_whoever_moves_it_on(stores: BatchStores) -> None:
    batch = await stores.created()
    lease = await stores.claimed()
    now = stores.clock.epoch_s()
    cancelled = await stores.batches.cancel("acme", batch.id)
    assert cancelled == replace(batch, status="cancelling", cancelling_at=now)
    assert not await stores.batches.keep(lease, replace(batch, read=1, status="in_progress"), 60)
    assert await stores.batches.batch("acme", batch.id) == cancelled
    # Who knows of it goes on.
    assert await stores.batches.keep(lease, replace(cancelled, read=1), 60)
    await stores.batches.release(lease, 0)
    assert (await stores.claimed()).batch == replace(cancelled, read=1)


async def test_one_that_nobody_moves_on_is_due_once_it_is_cancelled(stores: BatchStores) -> None:
    batch = await stores.created()
    await stores.batches.release(await stores.claimed(), 900)
    first = await stores.batches.cancel("acme", batch.id)
    assert first is not None
    assert (await stores.claimed()).batch.status == "cancelling"
    stores.clock.advance(1)
    assert await stores.batches.cancel("acme", batch.id) == first, "asked again, it stays as it is"
    assert await stores.batches.cancel("acme", "batch_none") is None


async def test_one_that_is_cancelled_while_it_is_looked_at_is_due_as_soon_as_it_is_let_go(stores: BatchStores) -> None:
    batch = await stores.created()
    looking = await stores.claimed()
    await stores.batches.cancel("acme", batch.id)
    await stores.batches.release(looking, 900)
    stopping = await stores.claimed()
    assert stopping.batch.status == "cancelling"
    await stores.batches.release(stopping, 5)
    assert await stores.batches.claim(60) is None, "who knows of it says when"


async def test_it_ends_with_its_files_or_not_at_all(stores: BatchStores) -> None:
    batch = await stores.created(caller="key-1", queue="batches/batch_1", lines=1)
    lease = await stores.claimed()
    now = stores.clock.epoch_s()
    out = StoredFile(
        output_id(batch.id, "output"), "o.jsonl", "batch_output", now, now + 1, 9, "acme", "key-1", ("hr",), "u-1",
        batch.id, "output",
    )  # fmt: skip
    over = replace(batch, status="completed", ended_at=now, output_file_id=out.id, tally=Tally(completed=1), total=1)
    assert not await stores.batches.end(replace(lease, token="another"), over, [out])
    assert await stores.files.file("acme", out.id) is None
    assert await stores.batches.end(lease, over, [out])
    assert await stores.batches.batch("acme", batch.id) == over
    assert await stores.files.file("acme", out.id) == out
    assert await stores.batches.open("acme") == 0
    stores.clock.advance(10_000)
    assert await stores.batches.claim(60) is None, "nobody looks at it any more"
    assert await stores.batches.cancel("acme", batch.id) == over
    assert not await stores.batches.keep(lease, batch, 60)
    await stores.batches.release(lease, 0)
    assert await stores.batches.claim(60) is None


async def test_lines_are_counted_by_what_came_of_them(stores: BatchStores) -> None:
    batch = await stores.created(lines=7)
    await stores.created("batch_2", lines=3)
    assert await stores.batches.tally(batch) == Tally(open=7)
    leases = [lease for lease in await stores.running(10) if lease.job.batch_id == batch.id]
    for lease, outcome in zip(leases, (Outcome("succeeded"), FAULTY, EXPIRED, Outcome("cancelled")), strict=False):
        await stores.jobs.finish(lease, outcome)
    tally = await stores.batches.tally(batch)
    assert tally == Tally(open=3, completed=1, failed=2, cancelled=1, expired=1)
    assert tally.total == 7
    assert await stores.batches.any_open(batch)
    for lease in leases[4:]:
        await stores.jobs.finish(lease, Outcome("succeeded"))
    assert not await stores.batches.any_open(batch)


async def test_lines_come_in_the_files_order_by_side(stores: BatchStores) -> None:
    batch = await stores.created()
    await stores.jobs.submit([stores.line(batch, number) for number in (5, 3, 0, 4, 1, 2)])
    leases = {lease.job.line: lease for lease in await stores.running(10)}
    outcomes = {0: FAULTY, 1: Outcome("succeeded", b'{"n":1}', receipt_id="rcpt-9"), 2: EXPIRED,
                3: Outcome("succeeded", b"{}"), 4: Outcome("cancelled")}  # fmt: skip
    for number, outcome in outcomes.items():
        await stores.jobs.finish(leases[number], outcome)
    (first, second) = await stores.batches.lines(batch, "output", limit=9)
    assert (first.line, first.result, first.body, first.custom_id, first.receipt_id) == (
        1, b'{"n":1}', b"", "q-1", "rcpt-9",
    )  # fmt: skip
    assert second.line == 3
    others = await stores.batches.lines(batch, "errors", limit=9)
    assert [line.line for line in others] == [0, 2, 4]
    assert others[0].failure == FAULTY.failure
    assert [line.line for line in await stores.batches.lines(batch, "errors", limit=2)] == [0, 2]
    assert [line.line for line in await stores.batches.lines(batch, "errors", after=0, limit=9)] == [2, 4]
    await stores.batches.drop_lines("acme", batch.id, "errors")
    assert await stores.batches.lines(batch, "errors", limit=9) == ()
    assert await stores.batches.tally(batch) == Tally(open=1, completed=2)


async def test_lines_are_stopped_some_at_a_time(stores: BatchStores) -> None:
    batch = await stores.created(lines=5)
    other = await stores.created("batch_2")
    await stores.jobs.submit([stores.line(other, 0)])
    running = [lease for lease in await stores.running(1) if lease.job.batch_id == batch.id]
    assert running
    assert await stores.batches.stop_lines(batch, 3) == 3
    assert await stores.batches.tally(batch) == Tally(open=2, cancelled=3)
    assert await stores.jobs.wanted_stopped("w-1") == {lease.job.id for lease in running}
    assert await stores.batches.stop_lines(batch, 3) == 1
    assert await stores.batches.stop_lines(batch, 3) == 0
    assert await stores.batches.any_open(batch)
    await stores.jobs.finish(running[0], Outcome("cancelled"))
    assert not await stores.batches.any_open(batch)
    assert await stores.batches.tally(other) == Tally(open=1)


async def test_lines_whose_worker_is_gone_are_stopped_without_it(stores: BatchStores) -> None:
    batch = await stores.created(lines=3, queue="batches/batch_1")
    (gone,) = await stores.jobs.claim("w-1", 1, 30.0, [batch.queue])
    (here,) = await stores.jobs.claim("w-2", 1, 90.0, [batch.queue])
    stores.clock.advance(31)
    assert await stores.batches.stop_lines(batch, 9) == 2
    assert await stores.batches.tally(batch) == Tally(open=1, cancelled=2)
    assert await stores.jobs.wanted_stopped("w-2") == {here.job.id}
    assert not await stores.jobs.finish(gone, Outcome("succeeded", b"{}")), "it comes back too late"


async def test_a_line_that_had_failed_before_it_was_submitted_is_nobodys_to_run(stores: BatchStores) -> None:
    batch = await stores.created()
    now = stores.clock.epoch_s()
    failure = JobFailure("line:invalid_url", "url: wrong.")
    over = stores.line(batch, 0, status="failed", failure=failure, ended_at=now)
    waits = stores.line(batch, 1)
    assert await stores.jobs.submit([over, waits]) == (over, waits)
    assert await stores.jobs.submit([over]) == (over,), "asked again, it stays as it is"
    assert [lease.job.id for lease in await stores.running(9)] == [waits.id]
    kept = await stores.jobs.job("acme", over.id)
    assert kept == over
    assert await stores.batches.tally(batch) == Tally(open=1, failed=1)
    assert [line.failure for line in await stores.batches.lines(batch, "errors", limit=9)] == [failure]
    stores.clock.advance(9 * DAY_S)
    assert await stores.running(9) == ()
    assert await stores.jobs.job("acme", over.id) == over


async def test_jobs_of_age_go_and_lines_stay_with_their_batch(stores: BatchStores) -> None:
    batch = await stores.created(lines=2)
    await stores.answered(1)
    stores.clock.advance(10)
    assert await stores.jobs.forget("acme", ended_before=stores.clock.epoch_s()) == 0
    assert (await stores.batches.tally(batch)).total == 2


async def test_pages_of_jobs_tell_a_queue_apart(stores: BatchStores) -> None:
    batch = await stores.created(lines=2)
    alone = replace(stores.line(batch, 9), queue="answers", batch_id=None, line=None, id="job-alone")
    await stores.jobs.submit([alone])
    for queue, many in ((BATCHES, 2), ("answers", 1), ("none", 0), (None, 3)):
        page = await stores.jobs.page("acme", JobFilter(queue=queue), limit=9)
        assert len(page.jobs) == many, queue


async def test_a_batch_is_forgotten_with_all_that_came_of_it(stores: BatchStores) -> None:
    await stores.put(stores.file(), b"{}")
    batch = await stores.created(lines=3)
    await stores.answered(1)
    lease = await stores.claimed()
    now = stores.clock.epoch_s()
    out = replace(stores.file("file-out"), batch_id=batch.id, side="output", purpose="batch_output")
    await stores.batches.end(lease, replace(batch, status="cancelled", ended_at=now), [out])
    assert await stores.batches.forget("acme", ended_before=now) == 0
    assert await stores.batches.forget("acme", ended_before=now + 1) == 1
    assert await stores.batches.batch("acme", batch.id) is None
    assert await stores.files.file("acme", "file-out") is None
    assert (await stores.jobs.page("acme", JobFilter(), limit=9)).jobs == ()
    # What was uploaded has its own time.
    assert await stores.files.file("acme", "file-1") is not None


async def test_batches_are_forgotten_by_user_and_age_and_open_ones_have_not_ended(stores: BatchStores) -> None:
    now = stores.clock.epoch_s()
    await stores.created("batch_old", user="u-1", lines=1)
    stores.clock.advance(10)
    await stores.created("batch_new", user="u-1")
    await stores.created("batch_other", user="u-2")
    await stores.created("batch_elsewhere", "other", user="u-1")
    assert await stores.batches.forget("acme", ended_before=now + DAY_S) == 0
    assert await stores.batches.forget("acme", user="u-1", before=now + 5) == 1
    assert await stores.batches.forget("acme", user="u-1") == 1
    assert await listed(stores) == ["batch_other"]
    assert await stores.batches.forget("acme") == 1
    assert await stores.batches.tenants() == ("other",)


async def test_a_users_lines_take_the_inputs_along_that_they_were_read_from(stores: BatchStores) -> None:
    for name in ("file-theirs", "file-others", "file-unread"):
        await stores.put(stores.file(name), b"{}")
    await stores.put(stores.file("file-elsewhere", "other"), b"{}")
    theirs = await stores.created("batch_1", input_file_id="file-theirs")
    others = await stores.created("batch_2", input_file_id="file-others")
    elsewhere = await stores.created("batch_3", "other", input_file_id="file-elsewhere")
    for batch, user in ((theirs, "u-1"), (others, "u-2"), (elsewhere, "u-1")):
        await stores.jobs.submit([stores.line(batch, 0, user=user), stores.line(batch, 1, user="u-2")])
    assert await stores.batches.forget("acme", user="u-1") == 0
    assert await stores.files.file("acme", "file-theirs") is None
    for tenant, name in (("acme", "file-others"), ("acme", "file-unread"), ("other", "file-elsewhere")):
        assert await stores.files.file(tenant, name) is not None, name
    assert await stores.jobs.forget("acme", user="u-1") == 1
    assert (await stores.batches.tally(theirs)).total == 1


async def test_lines_of_a_batch_that_was_deleted_while_it_was_read_go_when_their_time_comes(
    stores: BatchStores,
) -> None:
    batch = await stores.created()
    await stores.batches.forget("acme")
    await stores.jobs.submit([stores.line(batch, number) for number in range(2)])
    await stores.answered(1)
    later = stores.clock.epoch_s() + 1
    await stores.batches.forget("acme", ended_before=stores.clock.epoch_s())
    assert len((await stores.jobs.page("acme", JobFilter(), limit=9)).jobs) == 2
    await stores.batches.forget("acme", ended_before=later)
    assert [job.status for job in (await stores.jobs.page("acme", JobFilter(), limit=9)).jobs] == ["queued"]
