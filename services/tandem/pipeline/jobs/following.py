"""Whoever follows a job hears of its next event: one look for all who follow any, however many they are."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping

from tandem.domain.errors import TandemError
from tandem.ports.jobs import Jobs, Latest

_log = logging.getLogger("tandem.jobs")
# Soon after something came, slower where nothing does; and slower the more jobs are looked at.
_SOON_S = 0.05
_SLOWEST_S = 0.5
_EACH_S = 0.0005
_LONGEST_S = 2.0
_SAY_EVERY = 60


class Following:
    """`leaving` says that those who follow are to do so elsewhere, from where they are."""

    def __init__(self, jobs: Jobs, leaving: Callable[[], bool] = lambda: False) -> None:
        self._jobs = jobs
        self._leaving = leaving
        # Of each job: who waits for an event behind which one.
        self._waiting: defaultdict[str, dict[asyncio.Future[bool], int]] = defaultdict(dict)
        self._somebody = asyncio.Event()

    async def beyond(self, job_id: str, after: int) -> bool:
        """True as soon as the job has an event behind `after`; False when it will have none, or nobody will hear of it here."""
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[job_id][told] = after
        self._somebody.set()
        try:
            return await told
        finally:
            # Whoever left before it was told.
            if (others := self._waiting.get(job_id)) is not None and others.pop(told, None) is not None and not others:
                del self._waiting[job_id]

    async def run(self) -> None:
        """Until it is cancelled. A store that is away is waited for."""
        pause_s, failed = _SOON_S, 0
        while True:
            if not self._waiting:
                self._somebody.clear()
                await self._somebody.wait()
                pause_s = _SOON_S
            await asyncio.sleep(max(pause_s, min(_LONGEST_S, _EACH_S * len(self._waiting))))
            if self._leaving():
                self._tell({})
                continue
            asked = list(self._waiting)
            try:
                latest = await self._jobs.latest(asked)
            except TandemError as error:
                if failed % _SAY_EVERY == 0:
                    _log.warning("events of jobs wait for their store: %s", error.message)
                pause_s, failed = _SLOWEST_S, failed + 1
            else:
                failed = 0
                pause_s = _SOON_S if self._tell(latest, asked) else min(_SLOWEST_S, 2 * pause_s)

    def _tell(self, latest: Mapping[str, Latest], asked: list[str] | None = None) -> bool:
        """Those of the jobs that were asked about, all of them by default: a job without news is gone. True when any was told."""
        told = False
        for job_id in list(self._waiting) if asked is None else asked:
            news = latest.get(job_id, Latest(0, ended=True))
            waiting = self._waiting.get(job_id, {})
            for future, after in list(waiting.items()):
                if news.seq > after or news.ended:
                    told = True
                    del waiting[future]
                    if not future.done():
                        future.set_result(news.seq > after)
            if not waiting:
                self._waiting.pop(job_id, None)
        return told
