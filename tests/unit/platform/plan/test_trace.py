"""An engine's times from a trace."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tandem.adapters.scripted.virtual_time import at_once
from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.closed_loop import closed_loop
from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.prices import Measured, load_book
from tandem.platform.plan.replica import Job, Replica
from tandem.platform.plan.trace import Line, fit_trace, read_trace, simulated_again
from tandem.platform.plan.traffic import load_traffic

# What the traces were made with.
TIMES = ServiceTimes(2500.0, 0.02, 0.001, 0.05, slots=64, chunk_tokens=2048)


async def _measured(clients: int, each: int, seed: int) -> list[Line]:
    """A closed loop of the simulated engine, as somebody would measure a real one."""
    loop, random = asyncio.get_running_loop(), np.random.default_rng(seed)
    replica = Replica(TIMES, loop)
    lines: list[Line] = []

    async def client() -> None:
        for _ in range(each):
            prompt, answer = int(random.integers(100, 3000)), int(random.integers(20, 300))
            job = Job(prompt, answer, loop.create_future(), loop.create_future())
            began_s = loop.time()
            replica.take(job)
            await job.first
            first_s = loop.time() - began_s
            await job.last
            lines.append(
                Line(
                    arrival=1.7e9 + began_s,
                    prompt_tokens=prompt,
                    answer_tokens=answer,
                    first_token_s=first_s,
                    total_s=loop.time() - began_s,
                    concurrency=clients,
                )
            )

    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client())
    return lines


def written(folder: Path, *, crowds: tuple[int, ...] = (1, 2, 4, 8), each: int = 12) -> Path:
    lines = [line for clients in crowds for line in at_once(_measured(clients, each, clients))]
    file = folder / "trace.jsonl"
    file.write_bytes(b"\n".join(line.model_dump_json().encode() for line in lines))
    return file


def fit(lines: list[Line]) -> Measured:
    flat = load_traffic(None, {"requests_per_second": 1.0}, day="flat")
    return fit_trace(lines, book=load_book(), traffic=flat, quantisation="awq", source="a trace")


def test_the_times_that_a_trace_was_made_with_are_found_again(tmp_path: Path) -> None:
    found = fit(read_trace(written(tmp_path)))
    assert found.read_tokens_per_s == pytest.approx(2500, rel=0.01) and found.first_s == pytest.approx(0.05, rel=0.01)
    # Prompts of others that are read in between are not taken for slow steps.
    assert found.step_s == pytest.approx(0.02, rel=0.02) and found.step_per_answer_s == pytest.approx(0.001, rel=0.25)
    assert found.date.year == 2023 and found.answers == 180


def test_the_fitted_engine_is_able_to_do_as_much(tmp_path: Path) -> None:
    found = fit(read_trace(written(tmp_path, crowds=(1, 16))))
    lengths = [(int(prompt), 150) for prompt in np.random.default_rng(9).integers(100, 3000, 50)]
    fitted = ServiceTimes(found.read_tokens_per_s, found.step_s, found.step_per_answer_s, found.first_s, 64)
    assert closed_loop(fitted, 12, lengths) == pytest.approx(closed_loop(TIMES, 12, lengths), rel=0.05)


def test_what_may_be_chance_passes_before_no_prompt() -> None:
    """Twenty lone first tokens that differ by a tenth of a second, of prompts between 43 and 82 tokens, tell no overhead of a tenth."""
    random = np.random.default_rng(4)
    lines = [
        Line(
            arrival=1.0, prompt_tokens=int(prompt), answer_tokens=11, concurrency=1,
            first_token_s=0.08 + prompt / 160 + noise, total_s=1.0 + prompt / 160 + noise,
        )
        for prompt, noise in zip(np.linspace(43, 82, 20), random.normal(0, 0.1, 20), strict=True)
    ]  # fmt: skip
    mean = np.mean([line.prompt_tokens for line in lines]) / np.median([line.first_token_s for line in lines])
    found = fit(lines)
    assert found.first_s == 0 and found.read_tokens_per_s == pytest.approx(mean)


def test_what_passes_before_a_prompt_is_chance_where_crowds_say_so() -> None:
    """By a line of its own, lone prompts wait for 0.3 s and are read four times as fast as those that are read side by side."""
    lengths = list(zip(range(40, 100, 5), [12] * 12, strict=True))
    lines = [
        Line(
            arrival=1.0, prompt_tokens=prompt, answer_tokens=answer, concurrency=1,
            first_token_s=0.3 + prompt / 600, total_s=0.3 + prompt / 600 + 11 * 0.014,
        )
        for prompt, answer in lengths
    ]  # fmt: skip
    times = ServiceTimes(170.0, 0.006, 0.008, 0.0, 4, 2048)
    for clients in (2, 4):
        took_s = closed_loop(times, clients, lengths)
        lines += [
            Line(
                arrival=1.0, prompt_tokens=prompt, answer_tokens=answer, concurrency=clients,
                first_token_s=took_s / 2, total_s=took_s,
            )
            for prompt, answer in lengths
        ]  # fmt: skip
    found = fit(lines)
    assert found.first_s == 0
    assert all(abs(share) < 0.1 for share in simulated_again(lines, found, 2048).values())


def test_a_fit_is_held_against_its_own_trace(tmp_path: Path) -> None:
    lines = read_trace(written(tmp_path))
    found = fit(lines)
    off = simulated_again(lines, found, 2048)
    assert list(off) == [1, 2, 4, 8] and all(abs(share) < 0.1 for share in off.values())
    slower = simulated_again(lines, found.model_copy(update={"step_s": 2 * found.step_s}), 2048)
    assert slower[1] > 0.5


def test_what_a_prefix_cache_keeps_makes_no_prompt_slower(tmp_path: Path) -> None:
    """Of each prompt 300 tokens need no reading: a line through first tokens' times begins below nothing."""
    file = written(tmp_path, crowds=(1, 4), each=20)
    lines = [line.model_copy(update={"prompt_tokens": line.prompt_tokens + 300}) for line in read_trace(file)]
    found = fit(lines)
    lone = [line for line in lines if line.concurrency == 1]
    prompts, firsts = (np.mean([getattr(line, name) for line in lone]) for name in ("prompt_tokens", "first_token_s"))
    assert found.first_s == 0 and prompts / found.read_tokens_per_s == pytest.approx(firsts, rel=0.1)


def test_answers_that_take_turns_have_steps_of_their_own() -> None:
    """Four at a time each take more than four times as long as one alone: nothing of a step is shared."""
    lines = [
        Line(
            arrival=1.0, prompt_tokens=1, answer_tokens=101, first_token_s=0.001,
            total_s=0.001 + (5.0 if crowd == 4 else 1.0), concurrency=crowd,
        )
        for crowd in (1, 4) for _ in range(20)
    ]  # fmt: skip
    found = fit(lines)
    assert found.step_s == 0 and found.step_per_answer_s == pytest.approx(0.0125, rel=0.05)


def test_answers_that_come_whole_tell_no_step() -> None:
    line = Line(arrival=1.0, prompt_tokens=9, answer_tokens=9, first_token_s=1, total_s=1, concurrency=1)
    longer = line.model_copy(update={"prompt_tokens": 18, "total_s": 1.5, "first_token_s": 1.5})
    beside = line.model_copy(update={"concurrency": 2, "total_s": 3, "first_token_s": 3})
    for lines in ([line] * 20, [line, longer] * 6 + [beside] * 8):
        with pytest.raises(ConfigurationError, match="takes no time"):
            fit(lines)


def test_one_at_a_time_tells_nothing_of_crowds(tmp_path: Path) -> None:
    found = fit(read_trace(written(tmp_path, crowds=(1,), each=30)))
    assert found.step_s == pytest.approx(0.021) and found.step_per_answer_s == 0.0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2 is no JSON"),
        (b"[]", "line 2 is no object"),
        (b'{"arrival": 1}', "line 2: prompt_tokens"),
        (
            b'{"arrival":1,"prompt_tokens":1,"answer_tokens":1,"first_token_s":2,"total_s":1,"concurrency":1}',
            "total_s is less",
        ),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    file = written(tmp_path)
    lines = file.read_bytes().splitlines()
    lines.insert(1, line)
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(ConfigurationError) as raised:
        read_trace(file)
    assert said in raised.value.message


def test_a_few_requests_tell_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="5 requests"):
        read_trace(written(tmp_path, crowds=(1,), each=5))
