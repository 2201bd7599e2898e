"""`tandem batch run` in this process: lines are answered, and written as they are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tandem.adapters.batches.results import ResultFile
from tandem.app.batch_run import Done, answerer
from tandem.app.beside import beside
from tandem.app.settings import Settings
from tandem.cli.batch_flow import AWAY, BUDGET, CAP, INTERRUPTED, Going
from tandem.cli.batch_shown import Shown
from tandem.cli.batch_signals import until_told
from tandem.domain.batch_line import BatchLine
from tandem.domain.errors import TandemError
from tandem.pipeline.batches.running import Stop, run_lines

_GRACE_S = 5.0
_SYNC_EVERY_S = 1.0
# So many lines for each that is answered at a time found no model, one after the other: there is none.
_AWAY = 2


@dataclass(frozen=True, slots=True)
class How:
    """How much at a time, for how long at most each, and for how much in all."""

    concurrency: int
    timeout_s: float
    max_cost: float | None


class Writing:
    """What comes of lines goes to the files, and says when it is enough."""

    def __init__(self, going: Going, how: How, stop: Stop) -> None:
        self._going = going
        self._how = how
        self._stop = stop
        self._away = 0

    def write(self, done: Done) -> None:
        """Whole, or not at all."""
        if done.spent:
            self._stop.set(CAP)
            return
        going, tally = self._going, self._going.plan.tally
        if done.failed:
            going.failed.append(done.raw)
            tally.failed += 1
        else:
            going.answered.append(done.raw)
            tally.answered += 1
        tally.prompt_tokens += done.prompt_tokens
        tally.completion_tokens += done.completion_tokens
        tally.cost += done.cost
        self._away = self._away + 1 if done.away else 0
        if self._how.max_cost is not None and tally.cost >= self._how.max_cost:
            self._stop.set(BUDGET)
        elif self._away >= _AWAY * self._how.concurrency:
            self._stop.set(AWAY)
        going.shown.update()


async def answer_here(settings: Settings, how: How, going: Going) -> str | None:
    """Why it stopped before its end, or None. Raises what opening the parts raises, and what the files do."""
    stop = Stop()
    writing = Writing(going, how, stop)

    async def run() -> None:
        async with (
            _kept_on_disk([going.answered, going.failed]),
            answerer(settings, going.request.defaults, timeout_s=how.timeout_s) as behind,
        ):

            async def work(line: BatchLine) -> None:
                writing.write(await behind.done(line))

            await run_lines(going.left(), work, stop, concurrency=how.concurrency, grace_s=_GRACE_S)

    try:
        await until_told(run(), lambda: _leaving(stop, going.shown))
    except* TandemError as failures:
        # One of our own is enough to tell; a group is for programs.
        raise failures.exceptions[0] from None
    return stop.why if going.plan.tally.left else None


def _leaving(stop: Stop, shown: Shown) -> None:
    stop.set(INTERRUPTED)
    shown.say(f"stopping: lines that are being answered have {_GRACE_S:.0f} s to end; Ctrl-C again stops at once")


@asynccontextmanager
async def _kept_on_disk(files: Sequence[ResultFile]) -> AsyncIterator[None]:
    async def syncing() -> None:
        while True:
            await asyncio.sleep(_SYNC_EVERY_S)
            for file in files:
                await asyncio.to_thread(file.sync)

    async with beside([syncing()]):
        yield
