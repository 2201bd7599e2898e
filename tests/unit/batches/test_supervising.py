"""Batches are moved on, whoever does it and whatever happens meanwhile: no line is lost, none is run twice."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fakes.batch_scene import Scene, line
from fakes.batches import DAY_S
from tandem.domain.batch import BatchLease, StoredFile
from tandem.domain.batch_line import BatchLine
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.job import Job, Outcome
from tandem.http.wire.batches import written_line
from tandem.pipeline.batches.supervising import BatchRules, written_lines

AWAY = UpstreamUnavailable("The store is away.")


class Died(BaseException):
    """The process is no more."""


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_batch_is_read_answered_and_ended(scene: Scene) -> None:
    batch = await scene.begun(line("a"), line("b"), b"\n", line("c"), caller="key-1", groups=("hr",), user="u-1")
    going = await scene.round()
    assert (going.status, going.total, going.read, going.in_progress_at) == ("in_progress", 3, 4, scene.clock.epoch_s())
    assert scene.rung == 1, "the runner is told of new jobs"
    (first, *_) = scene.jobs.held.values()
    assert (first.job.caller, first.job.groups, first.job.user, first.job.queue) == ("key-1", ("hr",), "u-1", "batches")
    assert first.job.expires_at == batch.expires_at
    assert (await scene.round()).status == "in_progress"
    assert not await scene.one.round(), "it is looked at again after a while"
    await scene.stores.answered(3)
    done = await scene.later()
    assert (done.status, done.total, done.ended_at) == ("completed", 3, scene.clock.epoch_s())
    assert done.tally is not None and (done.tally.completed, done.tally.failed) == (3, 0)
    assert done.finalizing_at == scene.clock.epoch_s()
    assert await scene.ids("output") == ["a", "b", "c"]
    assert await scene.ids("errors") == [] and done.error_file_id is None
    file = await scene.files.file("acme", done.output_file_id or "")
    assert file is not None
    assert (file.caller, file.groups, file.user) == ("key-1", ("hr",), "u-1")
    assert file.expires_at == scene.clock.epoch_s() + scene.rules.keep_s
    scene.clock.advance(9 * DAY_S)
    assert not await scene.one.round()


async def test_a_batch_whose_lines_wait_apart_has_pods_until_it_is_over(scene: Scene) -> None:
    batch = await scene.begun(line("a"), line("b"), queue="batches/batch_1")
    await scene.round()
    assert scene.pods.working == {}, "none before its lines are there"
    await scene.round()
    assert scene.pods.working == {batch.id: 2}
    scene.pods.end(batch.id)
    scene.pods.fault = UpstreamUnavailable("The API server is away.")
    assert (await scene.later()).status == "in_progress", "to have no pods now fails nothing"
    scene.pods.fault = None
    await scene.later()
    assert scene.pods.starts == [batch.id, batch.id]
    await scene.batches.cancel("acme", batch.id)
    assert (await scene.later()).status == "cancelled"
    assert scene.pods.working == {}


async def test_pods_of_a_batch_that_is_done_end_by_themselves(scene: Scene) -> None:
    batch = await scene.begun(line("a"), queue="batches/batch_1")
    await scene.round()
    await scene.round()
    (lease,) = await scene.jobs.claim("pod", 9, 30, [batch.queue])
    await scene.jobs.finish(lease, Outcome("succeeded", b"{}", receipt_id="rcpt-1"))
    assert (await scene.later()).status == "completed"
    assert scene.pods.working == {batch.id: 1}


async def test_what_is_wrong_with_a_line_is_that_lines_alone(scene: Scene) -> None:
    await scene.begun(
        line("a"), b"{broken\n", line("a"), line("b", temperature="hot"), line("c", n=3),
        line("d").replace(b"POST", b"GET"), b'{"custom_id":""}\n', line("e"),
    )  # fmt: skip
    going = await scene.round()
    assert (going.status, going.total) == ("in_progress", 8)
    await scene.stores.answered(9)
    done = await scene.later()
    assert (done.status, done.tally and (done.tally.completed, done.tally.failed)) == ("completed", (2, 6))
    assert await scene.ids("output") == ["a", "e"]
    told = {each["error"]["line"]: each for each in await scene.written("errors") if each["error"]}
    assert {number: each["error"]["code"] for number, each in told.items()} == {
        2: "invalid_json_line",
        3: "duplicate_custom_id",
        6: "invalid_method",
        7: "missing_custom_id",
    }
    assert told[3]["custom_id"] == "a"
    refused = {each["custom_id"]: each["response"] for each in await scene.written("errors") if each["response"]}
    assert {name: each["status_code"] for name, each in refused.items()} == {"b": 400, "c": 400}
    assert refused["c"]["body"]["error"]["message"] == "n is not supported here with this value."


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (b"", ["empty_file"]),
        (b"\n \n\r\n", ["empty_file"]),
        (b"no\n[]\n", ["invalid_json_line", "invalid_json_line"]),
        (b"no\n" * 90, ["invalid_json_line"] * 20),
        (line("a") + line("b") + line("c") + line("d"), ["too_many_lines"]),
    ],
)
async def test_a_file_of_which_nothing_can_be_run_fails_as_a_whole(data: bytes, codes: list[str]) -> None:
    scene = Scene(BatchRules(max_lines=3 if b"custom_id" in data else 100))
    await scene.begun(data)
    over = await scene.round()
    assert (over.status, [fault.code for fault in over.faults]) == ("failed", codes)
    assert over.ended_at == scene.clock.epoch_s()
    if codes[0] == "invalid_json_line":
        assert [fault.line for fault in over.faults] == list(range(1, len(codes) + 1))
    assert scene.jobs.held == {}
    assert not await scene.one.round()


async def test_whoever_goes_on_where_another_one_died_submits_no_line_twice(scene: Scene) -> None:
    names = [f"q-{number}" for number in range(650)]
    doubles = {417: "q-3", 620: "q-610"}
    await scene.begun(*(line(doubles.get(number, name)) for number, name in enumerate(names)))
    before: dict[str, Job] = {}

    def dies(read: BatchLine) -> None:
        if read.number == 430:
            raise Died

    with pytest.raises(Died):
        await scene.round(scene.supervisor(dies))
    assert len(scene.jobs.held) == 400
    assert not await scene.one.round(), "the dead one's lease still counts"
    before = {job_id: held.job for job_id, held in scene.jobs.held.items()}
    read: list[int] = []
    going = await scene.later(scene.supervisor(lambda line: read.append(line.number)))
    assert (going.status, going.total, len(scene.jobs.held)) == ("in_progress", 650, 650)
    assert read == list(range(200, 650)), "what was submitted behind the last note is submitted again"
    assert all(scene.jobs.held[job_id].job == job for job_id, job in before.items())
    await scene.stores.answered(650)
    done = await scene.later()
    output, errors = await scene.ids("output"), await scene.written("errors")
    assert output == [name for number, name in enumerate(names) if number not in doubles]
    assert [each["error"]["code"] for each in errors] == ["duplicate_custom_id"] * 2
    assert [each["custom_id"] for each in errors] == list(doubles.values())
    assert done.tally is not None and done.tally.total == 650


async def test_lines_that_a_newer_tandem_reads_otherwise_stay_as_they_were_read_first(scene: Scene) -> None:
    await scene.begun(*(line(f"q-{number}", temperature=0) for number in range(250)))

    def dies(read: BatchLine) -> None:
        if read.number == 210:
            raise Died

    with pytest.raises(Died):
        await scene.round(scene.supervisor(dies))
    prepare = scene.one.prepare
    newer = replace(scene.one, prepare=lambda read, batch: replace(prepare(read, batch), body=b'{"newer":1}'))
    assert (await scene.later(newer)).status == "in_progress"
    bodies = [held.job.body for held in scene.jobs.held.values()]
    assert len(bodies) == 250 and bodies.count(b'{"newer":1}') == 50


async def test_one_that_is_cancelled_while_it_is_read_runs_nothing_more(scene: Scene) -> None:
    batch = await scene.begun(*(line(f"q-{number}") for number in range(500)))
    cancelling: list[asyncio.Task[Any]] = []

    def cancels(read: BatchLine) -> None:
        if read.number == 250:
            cancelling.append(asyncio.ensure_future(scene.batches.cancel("acme", batch.id)))

    assert (await scene.round(scene.supervisor(cancels))).status == "cancelling"
    assert len(scene.jobs.held) == 200
    over = await scene.round()
    assert (over.status, over.total) == ("cancelled", 200)
    assert {held.job.status for held in scene.jobs.held.values()} == {"cancelled"}
    assert await scene.ids("output") == []
    assert {each["error"]["code"] for each in await scene.written("errors")} == {"batch_cancelled"}


async def test_one_that_is_cancelled_keeps_what_was_answered_and_stops_the_rest(scene: Scene) -> None:
    batch = await scene.begun(*(line(f"q-{number}") for number in range(5)))
    await scene.round()
    await scene.stores.answered(1)
    (lease,) = await scene.stores.running(1)
    await scene.batches.cancel("acme", batch.id)
    assert (await scene.round()).status == "cancelling", "one still runs"
    assert await scene.jobs.wanted_stopped("w-1") == {lease.job.id}
    assert await scene.stores.running(9) == (), "those that waited are over"
    await scene.jobs.finish(lease, Outcome("cancelled"))
    scene.clock.advance(scene.rules.stop_look_s)
    over = await scene.round()
    assert (over.status, over.total, over.cancelling_at is not None) == ("cancelled", 5, True)
    assert await scene.ids("output") == ["q-0"]
    assert await scene.ids("errors") == ["q-1", "q-2", "q-3", "q-4"]


async def test_a_large_one_is_stopped_without_a_pause_between_the_hands(scene: Scene) -> None:
    batch = await scene.begun(*(line(f"q-{number}") for number in range(1_100)))
    await scene.round()
    await scene.batches.cancel("acme", batch.id)
    assert [(await scene.round()).status for _ in range(3)] == ["cancelling", "cancelling", "cancelled"]


async def test_lines_that_came_too_late_make_it_expired_and_the_others_are_told(scene: Scene) -> None:
    batch = await scene.begun(line("a"), line("b"), line("c"))
    await scene.round()
    await scene.stores.answered(1)
    (lease,) = await scene.stores.running(1, lease_s=DAY_S * 2)
    scene.clock.advance(batch.expires_at - scene.clock.epoch_s())
    # Who looks for work finds the one that waits expired.
    assert await scene.stores.running(9) == ()
    assert (await scene.round()).status == "in_progress"
    await scene.jobs.finish(lease, Outcome("succeeded", b"{}"))
    over = await scene.later()
    assert (over.status, over.tally and over.tally.expired) == ("expired", 1)
    assert await scene.ids("output") == ["a", "b"]
    (late,) = await scene.written("errors")
    assert (late["custom_id"], late["error"]["code"]) == ("c", "batch_expired")


async def test_without_its_input_it_fails(scene: Scene) -> None:
    await scene.begun(line("a"))
    await scene.files.delete("acme", "file-1")
    over = await scene.round()
    assert (over.status, [fault.code for fault in over.faults]) == ("failed", ["input_file_not_found"])


async def test_an_input_that_vanishes_half_way_stops_what_was_begun(scene: Scene) -> None:
    data = b"".join(line(f"q-{number}") for number in range(500))
    await scene.begun(data)
    parts = 0

    def on_part(file: StoredFile) -> None:
        nonlocal parts
        parts += 1
        # In the second reading, which is the one that submits.
        if parts == 1.6 * len(data) // 1_000:
            scene.files.held.pop(file.id, None)

    scene.files.on_part = on_part
    assert (await scene.round()).status == "cancelling"
    many = len(scene.jobs.held)
    assert 0 < many < 500
    over = await scene.round()
    assert (over.status, [fault.code for fault in over.faults]) == ("failed", ["input_file_not_found"])
    assert over.tally is not None and over.tally.total == over.total == many
    assert over.tally.failed == 1, "the line that it broke off in"
    assert len(await scene.ids("errors")) == many


async def test_a_store_that_is_away_meanwhile_is_waited_for(scene: Scene) -> None:
    await scene.begun(*(line(f"q-{number}") for number in range(300)))

    def fails(read: BatchLine) -> None:
        if read.number == 250:
            scene.jobs.fault = AWAY

    with pytest.raises(UpstreamUnavailable):
        await scene.round(scene.supervisor(fails))
    scene.jobs.fault = None
    assert not await scene.one.round()
    scene.clock.advance(2)
    assert (await scene.round()).status == "in_progress"
    assert len(scene.jobs.held) == 300


@pytest.mark.timeout(30)
async def test_its_turns_go_on_over_faults_until_they_are_cancelled(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.begun(line("a"))
    slept: list[float] = []

    async def sleep(pause_s: float) -> None:
        if pause_s:
            slept.append(pause_s)
            scene.clock.advance(pause_s)
            scene.batches.fault = None
        await yielding(0)

    yielding = asyncio.sleep
    monkeypatch.setattr("tandem.pipeline.batches.supervising.asyncio.sleep", sleep)
    scene.batches.fault = AWAY
    running = asyncio.create_task(scene.one.run())
    while (await scene.now()).status != "in_progress":
        await yielding(0)
    await scene.stores.answered(1)
    while (await scene.now()).status != "completed":
        await yielding(0)
    assert slept[0] == 2.0
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_who_is_told_to_end_leaves_the_batch_to_others_at_once(scene: Scene) -> None:
    await scene.begun(*(line(f"q-{number}") for number in range(300)))
    here = asyncio.Event()

    def waits(read: BatchLine) -> None:
        if read.number == 50:
            here.set()

    moving = asyncio.create_task(scene.supervisor(waits).round())
    await here.wait()
    moving.cancel()
    await asyncio.wait([moving])
    assert moving.cancelled()
    assert (await scene.round()).status == "in_progress"


async def test_what_is_claimed_by_who_is_told_to_end_is_anothers_at_once(scene: Scene) -> None:
    await scene.begun(line("a"))
    claim, claiming = scene.batches.claim, asyncio.Event()

    async def slow(lease_s: float) -> BatchLease | None:
        lease = await claim(lease_s)
        claiming.set()
        await asyncio.sleep(0.03)
        return lease

    scene.batches.claim = slow  # type: ignore[method-assign]
    moving = asyncio.create_task(scene.one.round())
    await claiming.wait()
    moving.cancel()
    await asyncio.wait([moving])
    assert moving.cancelled()
    scene.batches.claim = claim  # type: ignore[method-assign]
    assert (await scene.round()).status == "in_progress"


async def test_two_who_move_on_share_the_batches_and_none_is_lost(scene: Scene) -> None:
    await scene.stores.put(scene.stores.file(), line("a"), line("b"))
    for number in range(6):
        await scene.stores.created(f"batch_{number}")
    two = scene.supervisor()
    while any(await asyncio.gather(scene.one.round(), two.round())):
        pass
    assert {held.batch.status for held in scene.batches.held.values()} == {"in_progress"}
    assert len(scene.jobs.held) == 12
    await scene.stores.answered(12)
    scene.clock.advance(60)
    while any(await asyncio.gather(scene.one.round(), two.round())):
        pass
    assert {held.batch.status for held in scene.batches.held.values()} == {"completed"}


async def test_who_lost_the_batch_while_it_was_slow_adds_nothing_to_it(scene: Scene) -> None:
    batch = await scene.begun(*(line(f"q-{number}") for number in range(450)))
    held_up = asyncio.Event()

    def stalls(read: BatchLine) -> None:
        if read.number == 250:
            held_up.set()

    moving = asyncio.create_task(scene.supervisor(stalls).round())
    await held_up.wait()
    # Nobody hears of it for longer than its lease: another one cancels all, and ends it.
    scene.clock.advance(61)
    await scene.batches.cancel("acme", batch.id)
    while (await scene.now()).status != "cancelled":
        await scene.one.round()
    await moving
    assert len(scene.jobs.held) == 200
    assert {held.job.status for held in scene.jobs.held.values()} == {"cancelled"}
    assert (await scene.now()).status == "cancelled"


async def test_what_takes_long_to_be_written_is_not_begun_by_others_too(scene: Scene) -> None:
    await scene.begun(*(line(f"q-{number}") for number in range(450)))
    await scene.round()
    await scene.stores.answered(450)
    scene.clock.advance(60)
    lines = scene.batches.lines

    async def slow(*which: Any, **more: Any) -> Any:
        scene.clock.advance(25)
        assert await scene.batches.claim(60) is None
        return await lines(*which, **more)

    scene.batches.lines = slow  # type: ignore[method-assign]
    assert (await scene.round()).status == "completed"


async def test_what_runs_long_is_looked_at_less_often() -> None:
    look = BatchRules().look_again_s
    assert [look(age_s) for age_s in (0, 20, 100, 300, 86_400)] == [1, 1, 5, 15, 15]


async def test_lines_of_many_bytes_are_submitted_fewer_at_a_time(scene: Scene) -> None:
    await scene.begun(*(line(f"q-{number}", user="x", stop=["y" * 900_000]) for number in range(10)))
    many: list[int] = []
    submit = scene.jobs.submit

    async def counted(jobs: Any) -> Any:
        many.append(len(jobs))
        return await submit(jobs)

    scene.jobs.submit = counted  # type: ignore[method-assign]
    await scene.round()
    assert many == [5, 5]


async def test_what_it_wrote_is_read_some_lines_at_a_time(scene: Scene) -> None:
    await scene.begun(*(line(f"q-{number}") for number in range(450)))
    await scene.round()
    await scene.stores.answered(450)
    batch = await scene.later()
    pieces = [piece async for piece in written_lines(scene.batches, batch, "output", written_line)]
    assert [piece.count(b"\n") for piece in pieces] == [200, 200, 50]


async def test_a_person_asks_for_each_line_that_does_not_say_who(scene: Scene) -> None:
    await scene.begun(line("a"), line("b", user="u-9"), line("c", safety_identifier="u-8"), user="u-1")
    await scene.round()
    assert [held.job.user for held in scene.jobs.held.values()] == ["u-1", "u-9", "u-8"]
