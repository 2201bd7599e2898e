"""One engine against what queueing theory knows of it."""

import asyncio

import numpy as np
import pytest

from tandem.adapters.scripted.virtual_time import at_once
from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.replica import Job, Replica


async def _mean_s(times: ServiceTimes, rate: float, prompts: list[float], answers: list[float], seed: int) -> float:
    loop = asyncio.get_running_loop()
    replica = Replica(times, loop)
    gaps = np.random.default_rng(seed).exponential(1 / rate, len(answers))
    took: list[float] = []

    async def ask(prompt: float, answer: float) -> None:
        began_s = loop.time()
        job = Job(prompt, answer, loop.create_future(), loop.create_future())
        replica.take(job)
        await job.last
        took.append(loop.time() - began_s)

    async with asyncio.TaskGroup() as tasks:
        for gap, prompt, answer in zip(gaps, prompts, answers, strict=True):
            await asyncio.sleep(gap)
            tasks.create_task(ask(prompt, answer))
    assert len(took) == len(answers)
    return float(np.mean(took))


def exponential(mean: float, count: int, seed: int = 7) -> list[float]:
    return list(np.random.default_rng(seed).exponential(mean, count))


def mean_s(times: ServiceTimes, rate: float, prompts: list[float], answers: list[float]) -> float:
    return at_once(_mean_s(times, rate, prompts, answers, 3))


def test_one_slot_is_a_queue_with_one_server() -> None:
    # M/M/1: prompts of one second on average, answers of the one token that comes with them; 1 / (1 - 0.6) = 2.5.
    times = ServiceTimes(1000.0, 1e-9, 0.0, 0.0, slots=1)
    prompts = exponential(1000, 20_000)
    assert mean_s(times, 0.6, prompts, [1.0] * len(prompts)) == pytest.approx(2.5, rel=0.12)


def test_answers_that_slow_each_other_share_a_processor() -> None:
    # M/M/1 with processor sharing: a step is all the answers' own; 1 s of work at 60 % takes 2.5 s.
    times = ServiceTimes(1e12, 1e-12, 0.01, 0.0, slots=1000)
    answers = [1 + one for one in exponential(100, 20_000)]
    assert mean_s(times, 0.6, [1.0] * len(answers), answers) == pytest.approx(2.5, rel=0.12)


def test_answers_that_do_not_slow_each_other_take_their_own_time() -> None:
    times = ServiceTimes(1e12, 0.01, 0.0, 0.0, slots=1000)
    answers = [1 + one for one in exponential(100, 3000)]
    # The first token comes with a step of the others.
    assert mean_s(times, 5.0, [1.0] * len(answers), answers) == pytest.approx(0.01 * np.mean(answers), rel=0.01)


@pytest.mark.parametrize("chunk_tokens", [256, 2048])
@pytest.mark.parametrize("more_s", [0.0, 0.001])
def test_as_many_run_as_is_reckoned(chunk_tokens: int, more_s: float) -> None:
    times = ServiceTimes(5000.0, 0.02, more_s, 0.05, slots=64, chunk_tokens=chunk_tokens)
    for rate in (0.5, 1.5):
        took_s = mean_s(times, rate, [1000.0] * 3000, [100.0] * 3000)
        # Reckoned without the queue of prompts.
        assert rate * took_s == pytest.approx(times.answers_at_once(rate, 1000, 100), rel=0.15)


def test_a_first_token_takes_its_overhead_and_its_prompt_then_a_step_for_each_other_one() -> None:
    times = ServiceTimes(1000.0, 0.02, 0.005, 0.1, slots=4)
    assert mean_s(times, 1.0, [500.0], [11.0]) == pytest.approx(0.1 + 0.5 + 10 * 0.025, abs=1e-5)


def test_reading_a_prompt_slows_those_who_write() -> None:
    async def told() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        replica = Replica(ServiceTimes(1000.0, 0.01, 0.0, 0.0, slots=4, chunk_tokens=100), loop)
        first, second = (Job(p, a, loop.create_future(), loop.create_future()) for p, a in ((1.0, 101.0), (500.0, 1.0)))
        replica.take(first)
        await first.first
        began_s = loop.time()
        replica.take(second)
        await first.last
        return loop.time() - began_s, replica.use.busy_s

    took_s, busy_s = at_once(told())
    # Half a second of reading, in chunks of a tenth: five tokens; the other 95 at full speed.
    assert took_s == pytest.approx(0.5 + 0.95) and busy_s == pytest.approx(took_s + 0.001)


@pytest.mark.parametrize(
    ("chunk_tokens", "firsts_s"),
    # A step of 200 tokens holds the second prompt and the third, one of 150 the second and half of the third, then the rest
    # and the fourth; one of 100 a single one.
    [(200, [0.1, 0.3, 0.3, 0.4]), (150, [0.1, 0.25, 0.4, 0.4]), (100, [0.1, 0.2, 0.3, 0.4])],
)
def test_prompts_that_fit_into_one_step_are_read_together(chunk_tokens: int, firsts_s: list[float]) -> None:
    async def told() -> list[float]:
        loop = asyncio.get_running_loop()
        replica = Replica(ServiceTimes(1000.0, 1e-9, 0.0, 0.0, slots=8, chunk_tokens=chunk_tokens), loop)
        found = []

        async def ask() -> None:
            job = Job(100.0, 1.0, loop.create_future(), loop.create_future())
            replica.take(job)
            await job.first
            found.append(loop.time())

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(ask())
                await asyncio.sleep(0.001)
        return found

    assert at_once(told()) == pytest.approx(firsts_s, rel=0.01)


def test_those_who_come_at_once_are_read_together() -> None:
    async def told() -> list[float]:
        loop = asyncio.get_running_loop()
        replica = Replica(ServiceTimes(1000.0, 0.01, 0.0, 0.0, slots=4), loop)
        jobs = [Job(100.0, 1.0, loop.create_future(), loop.create_future()) for _ in range(2)]
        for job in jobs:
            replica.take(job)
        return [await _when(job.first) for job in jobs]

    assert at_once(told()) == pytest.approx([0.2, 0.2], abs=1e-5)


def test_whoever_comes_while_others_write_waits_for_the_step_to_end() -> None:
    async def told() -> float:
        loop = asyncio.get_running_loop()
        replica = Replica(ServiceTimes(1000.0, 0.5, 0.0, 0.0, slots=4), loop)
        first, second = (Job(p, a, loop.create_future(), loop.create_future()) for p, a in ((100.0, 4.0), (600.0, 1.0)))
        replica.take(first)
        loop.call_later(0.7, replica.take, second)
        return await _when(second.first)

    # The first prompt is read by 0.1, its second token comes at 0.6, its third at 1.1.
    assert at_once(told()) == pytest.approx(1.1 + 0.6, abs=1e-5)


async def _when(told: "asyncio.Future[None]") -> float:
    await told
    return asyncio.get_running_loop().time()


def test_no_more_are_read_together_than_there_are_slots() -> None:
    async def told() -> list[int]:
        loop = asyncio.get_running_loop()
        replica = Replica(ServiceTimes(1000.0, 0.01, 0.0, 0.0, slots=2), loop)
        jobs = [Job(10.0, 5.0, loop.create_future(), loop.create_future()) for _ in range(5)]
        for job in jobs:
            replica.take(job)
        seen = []
        for job in jobs:
            await job.last
            seen.append(replica.running)
        return seen

    assert max(at_once(told())) <= 2


def test_business_logic_in_the_same_process_stops_it() -> None:
    async def told() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        replica = Replica(ServiceTimes(1000.0, 0.01, 0.0, 0.0, slots=4), loop)
        job = Job(100.0, 1.0, loop.create_future(), loop.create_future())
        loop.call_later(0.05, replica.hold, 1.0)
        loop.call_later(0.25, replica.release, 1.0)
        replica.take(job)
        await job.last
        return loop.time(), replica.use.busy_s

    assert at_once(told()) == pytest.approx((0.3, 0.1), abs=1e-5)
