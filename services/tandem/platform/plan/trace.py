"""An engine's times from requests that were measured: JSON lines of what was asked and when tokens came."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import Field

from tandem.domain.errors import ConfigurationError
from tandem.platform.plan.prices import Book, Measured
from tandem.platform.plan.reading import Part, validated
from tandem.platform.plan.traffic import Floats, Traffic

_FEWEST = 20
_ALONE = 5
# Prompts have to differ by that to tell what a token takes from what a request takes.
_DIFFERENT = 0.1


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
    """The straight lines that come nearest: a step by how many are written at once, a first token by the prompt's length."""
    step_s, more_s = _writing(lines)
    first_s, read = _reading(lines)
    return Measured(
        engine=traffic.engine,
        model=traffic.model,
        gpu=traffic.gpu,
        quantisation=quantisation,
        read_tokens_per_s=read,
        step_s=step_s,
        step_per_answer_s=more_s,
        first_s=first_s,
        answers=len(lines),
        source=source,
        date=_day(lines, book),
    )


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


def _writing(lines: Sequence[Line]) -> tuple[float, float]:
    """Seconds of a step, and what each answer adds. Long answers tell more than short ones."""
    long = [line for line in lines if line.answer_tokens > 1]
    if not long:
        raise ConfigurationError("The trace's answers have one token each: how fast more are written cannot be told.")
    tokens = np.array([line.answer_tokens - 1 for line in long], dtype=np.float64)
    steps = np.array([line.total_s - line.first_token_s for line in long]) / tokens
    at_once = np.array([line.concurrency for line in long], dtype=np.float64)
    if np.ptp(at_once) < 1:
        return float(np.average(steps, weights=tokens)), 0.0
    one, each = _straight(at_once, steps, tokens)
    if each <= 0 or one <= 0:
        # Chance, or a step that is all the answers' own.
        mean = float(np.average(steps, weights=tokens))
        return (mean, 0.0) if each <= 0 else (mean / 1e3, mean / float(np.average(at_once, weights=tokens)))
    return one, each


def _reading(lines: Sequence[Line]) -> tuple[float, float]:
    """Seconds before a prompt is read, and tokens a second; from those that had the engine nearly to themselves."""
    alone_up_to = sorted(line.concurrency for line in lines)[_ALONE - 1]
    alone = [line for line in lines if line.concurrency <= alone_up_to]
    tokens = np.array([line.prompt_tokens for line in alone], dtype=np.float64)
    firsts = np.array([line.first_token_s for line in alone])
    if np.ptp(tokens) > _DIFFERENT * tokens.mean():
        before, each = _straight(tokens, firsts, np.ones(len(alone)))
        if each > 0:
            return max(0.0, before), 1 / each
    return 0.0, float(tokens.mean() / np.median(firsts))


def _straight(x: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    """Where it begins, and its slope, by weighted least squares."""
    root = np.sqrt(weights)
    (start, slope), *_ = np.linalg.lstsq(np.stack([np.ones_like(x), x], axis=1) * root[:, None], y * root, rcond=None)
    return float(start), float(slope)


def _day(lines: Sequence[Line], book: Book) -> date:
    """Of the last arrival, when arrivals are told since 1970; the book's otherwise."""
    last = max(line.arrival for line in lines)
    return datetime.fromtimestamp(last, UTC).date() if last > 1e9 else book.date
