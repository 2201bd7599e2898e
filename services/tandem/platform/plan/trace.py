"""An engine's times from requests that were measured: JSON lines of what was asked and when tokens came."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import Field

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.closed_loop import closed_loop
from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.prices import Book, Measured
from tandem.platform.plan.reading import Part, validated
from tandem.platform.plan.traffic import Floats, Traffic

_FEWEST = 20
_ALONE = 5
# Prompts have to differ by that to tell what a token takes from what a request takes.
_DIFFERENT = 0.1
# An answer beside others adds at most so many steps of one alone; found to a millionth of that.
_MOST_SLOWED = 4.0
_HALVINGS = 20
# Standard errors beyond which something is no chance.
_CERTAIN = 2.0


class Line(Part):
    """One request: seconds from its being asked to its first token and its last, `concurrency` of them running, it included."""

    arrival: float
    prompt_tokens: int = Field(ge=1)
    answer_tokens: int = Field(ge=1)
    first_token_s: float = Field(gt=0)
    total_s: float = Field(gt=0)
    concurrency: float = Field(ge=1)


def read_trace(file: Path) -> list[Line]:
    """Raises `ConfigurationError` with the first line at fault."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ConfigurationError(f"The trace {file} cannot be read: {error.strerror}.") from error
    found = [_line(line, f"trace {file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if len(found) < _FEWEST:
        raise ConfigurationError(
            f"The trace {file} has {len(found)} requests; {_FEWEST} are the fewest to tell anything.",
            hint="Measure at several loads, from one request at a time to more than fit.",
        )
    return found


def fit_trace(lines: Sequence[Line], *, book: Book, traffic: Traffic, quantisation: str, source: str) -> Measured:
    """A first token by the prompt's length, from the requests that were nearly alone, and a step from how fast those were
    written. What each further answer adds makes the simulated engine take as long as the measured one, with as many at a time:
    there prompts of others are read in between, which must not count twice.
    """
    chunk_tokens = book.engine(traffic.engine).chunk_tokens
    tried = [
        _writing(lines, ServiceTimes(read, 0, 0, first_s, len(lines), chunk_tokens))
        for first_s, read in _readings(lines)
    ]
    times = tried[-1]
    # What passes before a prompt was chance after all when those that ran alone and those that did not tell another thing.
    if len(tried) > 1 and _missed(lines, times) > _missed(lines, tried[0]) + _DIFFERENT:
        times = tried[0]
    told = {
        "engine": traffic.engine,
        "model": traffic.model,
        "gpu": traffic.gpu,
        "quantisation": quantisation,
        "read_tokens_per_s": times.read_tokens_per_s,
        "step_s": times.step_s,
        "step_per_answer_s": times.step_per_answer_s,
        "first_s": times.first_s,
        "answers": len(lines),
        "source": source,
        "date": _day(lines, book),
    }
    return validated(Measured, told, "the trace's fit")


def simulated_again(lines: Sequence[Line], measured: Measured, chunk_tokens: int) -> dict[int, float]:
    """How well a fit stands for its trace: by how many ran at a time, the share by which simulated requests take longer."""
    times = ServiceTimes(
        measured.read_tokens_per_s,
        measured.step_s,
        measured.step_per_answer_s,
        measured.first_s,
        len(lines),
        chunk_tokens,
    )
    return _again(lines, times)


def _missed(lines: Sequence[Line], times: ServiceTimes) -> float:
    return sum(abs(share) for share in _again(lines, times).values())


def _again(lines: Sequence[Line], times: ServiceTimes) -> dict[int, float]:
    return {
        count: closed_loop(times, count, _lengths(group)) * len(group) / sum(line.total_s for line in group) - 1
        for count, group in sorted(_groups(lines).items())
    }


def _line(text: bytes, where: str) -> Line:
    try:
        data: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{where} is no JSON: {error}.") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{where} is no object.")
    line = validated(Line, data, where)
    if line.total_s < line.first_token_s:
        raise ConfigurationError(f"{where}: total_s is less than first_token_s.")
    return line


def _writing(lines: Sequence[Line], times: ServiceTimes) -> ServiceTimes:
    """With the seconds of a step, and what each answer adds. Long answers tell more than short ones."""
    groups = _groups(lines)
    few = min(groups)
    long = [line for line in groups[few] if line.answer_tokens > 1]
    if not long:
        raise ConfigurationError("The trace's answers have one token each: how fast more are written cannot be told.")
    # Of those with the fewest beside them.
    step_s = sum(line.total_s - line.first_token_s for line in long) / sum(line.answer_tokens - 1 for line in long)
    if step_s <= 0:
        raise ConfigurationError(
            "The trace's answers come whole: what is written after a first token takes no time.",
            hint="Measure with streams, through which tokens come one by one.",
        )
    crowds = {count: group for count, group in groups.items() if count > few}

    def with_more(more_s: float) -> ServiceTimes:
        return replace(times, step_s=max(0.0, step_s - few * more_s), step_per_answer_s=more_s)

    def excess_s(more_s: float) -> float:
        """By how much the simulated requests take longer, all together."""
        tried = with_more(more_s)
        return sum(
            len(group) * closed_loop(tried, count, _lengths(group)) - sum(line.total_s for line in group)
            for count, group in crowds.items()
        )

    low, high = 0.0, _MOST_SLOWED * step_s
    if not crowds or excess_s(low) >= 0:
        return with_more(0.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess_s(middle) < 0 else (low, middle)
    return with_more(low)


def _lengths(lines: Sequence[Line]) -> list[tuple[int, int]]:
    return [(line.prompt_tokens, line.answer_tokens) for line in lines]


def _groups(lines: Sequence[Line]) -> dict[int, list[Line]]:
    """By how many ran at a time."""
    found: dict[int, list[Line]] = {}
    for line in lines:
        found.setdefault(round(line.concurrency), []).append(line)
    return found


def _readings(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """Seconds before a prompt is read, and tokens a second; from those that had the engine nearly to themselves. With none
    before it, and, where the line through first tokens says so, with some.
    """
    alone_up_to = sorted(line.concurrency for line in lines)[_ALONE - 1]
    alone = [line for line in lines if line.concurrency <= alone_up_to]
    tokens = np.array([line.prompt_tokens for line in alone], dtype=np.float64)
    firsts = np.array([line.first_token_s for line in alone])
    found = [(0.0, float(tokens.mean() / np.median(firsts)))]
    if np.ptp(tokens) > _DIFFERENT * tokens.mean():
        before, each, error = _straight(tokens, firsts)
        # Less than none before it: a cache has what prompts begin with. Held to none, the slope alone would read a prompt of
        # mean length too slowly, by all that is not read. What may be chance would let prompts be read side by side that wait
        # for each other.
        if each > 0 and before > _CERTAIN * error:
            found.append((before, 1 / each))
    return found


def _straight(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Where it begins, its slope, and the standard error of the first, by least squares."""
    (start, slope), *_ = np.linalg.lstsq(np.stack([np.ones_like(x), x], axis=1), y, rcond=None)
    variance = np.sum((y - start - slope * x) ** 2) / max(1, len(x) - 2)
    error = np.sqrt(variance * (1 / len(x) + x.mean() ** 2 / np.sum((x - x.mean()) ** 2)))
    return float(start), float(slope), float(error)


def _day(lines: Sequence[Line], book: Book) -> date:
    """Of the last arrival, when arrivals are told since 1970; the book's otherwise."""
    last = max(line.arrival for line in lines)
    return datetime.fromtimestamp(last, UTC).date() if last > 1e9 else book.date
