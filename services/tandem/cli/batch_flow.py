"""`tandem batch run` from its files to its exit code, whoever answers."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import typer

from tandem.adapters.batches.input import STANDARD, opened_input
from tandem.adapters.batches.results import ResultFile, result_files
from tandem.app.batch_run import Estimator
from tandem.cli.batch_plan import Plan, Request, contents, planned
from tandem.cli.batch_shown import Shown, estimate_body, shown, summary, tell_estimate, tell_summary
from tandem.cli.console import Output, err, out, print_json, run
from tandem.domain.batch_line import BatchLine
from tandem.domain.errors import TandemError
from tandem.pipeline.batches.estimate import Estimate

INTERRUPTED = "interrupted"
BUDGET = "max_cost"
CAP = "daily_cap"
AWAY = "unavailable"
EXPIRED = "expired"
CANCELLED = "cancelled"
INCOMPLETE = "incomplete"
_WHY = {
    BUDGET: "this run has cost as much as --max-cost allows",
    CAP: "the daily cap of every pool that may answer is spent; there is room again after midnight, UTC",
    AWAY: "the model cannot be reached",
    EXPIRED: "the batch has expired",
    CANCELLED: "the batch was cancelled",
    INCOMPLETE: "the batch has ended, and not every line has a result",
    INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True)
class Going:
    """A batch under way."""

    request: Request
    plan: Plan
    file: BinaryIO
    answered: ResultFile
    failed: ResultFile
    shown: Shown

    def left(self) -> Iterator[BatchLine]:
        """The lines to answer, in the input's order."""
        return self.plan.left(self.file)


# Says why it stopped before its end, or None.
Answering = Callable[[Going], Awaitable[str | None]]


def answered(request: Request, work: Answering, estimator: Estimator | None, output: Output, *, sure: bool) -> None:
    """Ends the command with 1 when a line failed or it stopped, with 130 when it was interrupted. Unless `sure`, and where
    there are prices, a person is asked first.
    """
    with (
        opened_input(request.source) as file,
        result_files(request.output, request.errors, overwrite=request.overwrite) as (answers, failures),
    ):
        plan = planned(request, file, answers, failures)
        if plan.tally.todo and not sure and estimator is not None and estimator.priced:
            _, most = _estimated(plan.left(file), estimator)
            typer.confirm(
                f"{plan.tally.todo:,} lines may cost up to {most.most_cost:.4f}. Go on?", abort=True, err=True
            )
        with shown(plan.tally) as progress:
            going = Going(request, plan, file, answers, failures, progress)
            stopped = run(_awaited(work(going))) if plan.tally.todo else None
            if stopped is None and plan.tally.left:
                stopped = INCOMPLETE
            seconds = progress.seconds
    _tell(request, plan, seconds, stopped, output)


def estimated(request: Request, estimator: Estimator, output: Output) -> None:
    """What `answered` may take, all lines of the input among it."""
    with opened_input(request.source) as file:
        found = contents(file, request.limit)
        refused, most = _estimated(found.lines(file), estimator)
    if output is Output.json:
        print_json(estimate_body(len(found.keys), refused, most, priced=estimator.priced))
    else:
        out.print(tell_estimate(len(found.keys), refused, most, priced=estimator.priced), markup=False)


async def _awaited(work: Awaitable[str | None]) -> str | None:
    return await work


def _estimated(lines: Iterator[BatchLine], estimator: Estimator) -> tuple[dict[str, int], Estimate]:
    refused: Counter[str] = Counter()
    total = Estimate()
    for line in lines:
        if line.fault is not None or line.body is None:
            refused[line.fault.code if line.fault else "invalid_body"] += 1
            continue
        try:
            total += estimator.estimate(line.body)
        except TandemError as error:
            refused[error.code] += 1
    return dict(refused), total


def _tell(request: Request, plan: Plan, seconds: float, stopped: str | None, output: Output) -> None:
    tally = plan.tally
    if output is Output.json:
        print_json(summary(request, tally, seconds, stopped))
    else:
        tell_summary(request, tally, seconds)
    if stopped is not None:
        again = ""
        if request.output is not None and request.source != STANDARD and tally.left:
            again = f"; {tally.left:,} lines are left: run the same command again to go on"
        err.print(f"[bold red]stopped:[/] {_WHY[stopped]}{again}")
    if stopped == INTERRUPTED:
        raise typer.Exit(130)
    if stopped is not None or tally.failed or tally.failed_before:
        raise typer.Exit(1)
