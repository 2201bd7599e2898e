"""How a batch shows itself while it runs, and what is said at its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from tandem.cli.batch_plan import Request, Tally
from tandem.cli.console import err
from tandem.pipeline.batches.estimate import Estimate

_LINE_EVERY_S = 5.0


class Shown:
    """A bar on a terminal, a line every few seconds elsewhere; both on stderr."""

    def __init__(self, tally: Tally, bar: Progress | None) -> None:
        self.tally = tally
        self._first_s: float | None = None
        self._elsewhere = 0, 0
        self._bar = bar
        self._task = None if bar is None else bar.add_task("", total=tally.lines, told="")
        self._began_s = self._told_s = time.monotonic()
        self.update()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began_s

    def say(self, text: str) -> None:
        """A line of its own."""
        (err if self._bar is None else self._bar.console).print(text, markup=False)

    def elsewhere(self, answered: int, failed: int) -> None:
        """So many came to an end at who answers them; they are not here yet."""
        self._elsewhere = answered, failed
        self.update()

    def update(self) -> None:
        """The tally has changed."""
        tally, now_s = self.tally, time.monotonic()
        done = tally.lines - tally.left + (sum(self._elsewhere) if tally.left else 0)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, told=self._told())
        elif now_s - self._told_s > _LINE_EVERY_S:
            self._told_s = now_s
            self.say(f"{done} of {tally.lines} lines: {self._told()}")

    def _told(self) -> str:
        tally = self.tally
        there = self._elsewhere if tally.left else (0, 0)
        answered, failed = tally.answered + there[0], tally.failed + there[1]
        parts = [f"{tally.answered_before + answered:,} answered", f"{tally.failed_before + failed:,} failed"]
        new, left = answered + failed, tally.todo - answered - failed
        # What opening a model takes says nothing of how long lines do.
        self._first_s = time.monotonic() if self._first_s is None and new else self._first_s
        if new > 1 and self._first_s is not None:
            rate = (new - 1) / max(1e-3, time.monotonic() - self._first_s)
            parts += [f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min"]
            parts += [f"about {_span(left / rate)} left"] if left > 0 and rate else []
        if tally.prompt_tokens or tally.completion_tokens:
            parts.append(f"{tally.prompt_tokens + tally.completion_tokens:,} tokens")
        if tally.cost:
            parts.append(f"cost {tally.cost:.4f}")
        return ", ".join(parts)


@contextmanager
def shown(tally: Tally) -> Iterator[Shown]:
    """While the batch runs."""
    if not err.is_terminal:
        yield Shown(tally, None)
        return
    with Progress(
        SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
        console=err, transient=True,
    ) as bar:  # fmt: skip
        yield Shown(tally, bar)


def summary(request: Request, tally: Tally, seconds: float, stopped: str | None) -> dict[str, Any]:
    """For `--output json`."""
    return {
        "input": str(request.source),
        "output": None if request.output is None else str(request.output),
        "errors": None if request.errors is None else str(request.errors),
        "lines": tally.lines,
        "answered": tally.answered,
        "failed": tally.failed,
        "answered_before": tally.answered_before,
        "failed_before": tally.failed_before,
        "left": tally.left,
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "cost": round(tally.cost, 6),
        "seconds": round(seconds, 3),
        "stopped": stopped,
    }


def tell_summary(request: Request, tally: Tally, seconds: float) -> None:
    """For people, on stderr."""
    before = tally.answered_before + tally.failed_before
    err.print(
        f"{tally.answered:,} answered, {tally.failed:,} failed in {_span(seconds)}"
        + (f"; {before:,} of {tally.lines:,} lines were done before" if before else "")
        + f"; {tally.prompt_tokens:,} prompt and {tally.completion_tokens:,} answer tokens"
        + (f", cost {tally.cost:.4f}" if tally.cost else ""),
        markup=False,
    )
    failed = tally.failed + tally.failed_before
    if failed and request.errors is not None:
        err.print(f"{failed:,} failed: {request.errors} says why; --retry-failed tries those again that may pass.")


def estimate_body(lines: int, refused: dict[str, int], found: Estimate, *, priced: bool) -> dict[str, Any]:
    """For `--dry-run --output json`."""
    return {
        "lines": lines,
        "refused": refused,
        "prompt_tokens": {"least": found.least_prompt_tokens, "most": found.most_prompt_tokens},
        "completion_tokens": {"most": found.most_answer_tokens},
        "cost": {"least": round(found.least_cost, 6), "most": round(found.most_cost, 6)} if priced else None,
    }


def tell_estimate(lines: int, refused: dict[str, int], found: Estimate, *, priced: bool) -> str:
    """For people."""
    told = [
        f"{lines:,} lines to answer",
        f"{found.least_prompt_tokens:,} to {found.most_prompt_tokens:,} prompt tokens, passages among them",
        f"at most {found.most_answer_tokens:,} answer tokens",
        f"cost {found.least_cost:.4f} to {found.most_cost:.4f}"
        if priced
        else "no cost: no pool has a price (pools[].input_cost_per_million, output_cost_per_million)",
    ]
    told += [f"{number:,} will fail: {code}" for code, number in sorted(refused.items())]
    return "\n".join(told)


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
