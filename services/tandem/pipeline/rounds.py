"""A source kept in a collection, by one worker or by several that share it: synchronised round by round, or followed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from tandem.domain.errors import TandemError
from tandem.ingestion.progress import SyncReport
from tandem.ingestion.shards import WHOLE, Shard
from tandem.ports.clock import Clock

# Between two looks at who else works.
LOOK_S = 5.0
_FIRST_RETRY_S = 5.0
_MAX_RETRY_S = 300.0

Pause = Callable[[float], Awaitable[None]]


class Crew(Protocol):
    """The workers that share the documents."""

    async def shard(self) -> Shard:
        """This worker's share now; never fails."""
        ...


class Alone:
    """`Crew` of a single process."""

    async def shard(self) -> Shard:
        """Everything."""
        return WHOLE


class RoundMeter(Protocol):
    """Told of every round."""

    def ended(self, source: str, outcome: str, seconds: float) -> None:
        """`outcome`: complete, partial (documents failed), interrupted (the workers changed) or failed."""
        ...

    def done(self, source: str, report: SyncReport) -> None:
        """What a round that went to its end did."""
        ...

    def failed(self, source: str, error: TandemError, again_s: float) -> None:
        """A round that could not go on, and in how many seconds it is tried again."""
        ...


@dataclass(frozen=True, slots=True)
class Synchronised:
    """One source: `sync` does a share of a round, which begins `every_s` seconds after the last one began.

    It may be broken off at any moment and be repeated at no harm.
    """

    name: str
    every_s: float
    sync: Callable[[Shard], Coroutine[Any, Any, SyncReport]]


@dataclass(frozen=True, slots=True)
class Followed:
    """A stream: `follow` goes on until it is broken off. Its readers share it among themselves."""

    name: str
    follow: Callable[[], Coroutine[Any, Any, None]]


class Rounds:
    """Runs for as long as the process does.

    Nobody is told which documents are whose: each worker looks who else is there, and the hash of an id says the rest.
    When the workers change, the round is broken off (a document that is being written is finished) and a new one begins
    with the new share, so that what another one left behind is taken up within seconds; what is done already costs a
    look. For those seconds two workers may have the same document in hand: a put may be repeated at no harm.
    """

    def __init__(self, crew: Crew, meter: RoundMeter, clock: Clock, pause: Pause = asyncio.sleep) -> None:
        self._crew = crew
        self._meter = meter
        self._clock = clock
        self._pause = pause

    async def run(self, source: Synchronised) -> None:
        """Rounds for ever."""
        retry_s = _FIRST_RETRY_S
        while True:
            began_s, shard = self._clock.monotonic_s(), await self._crew.shard()
            outcome = await self._round(source, shard, retry_s)
            self._meter.ended(source.name, outcome, self._clock.monotonic_s() - began_s)
            if outcome == "failed":
                await self._pause(min(retry_s, source.every_s))
                retry_s = min(2 * retry_s, _MAX_RETRY_S)
            elif outcome != "interrupted":
                retry_s = _FIRST_RETRY_S
                await self._until_due(began_s + source.every_s, shard)

    async def stay(self, stream: Followed) -> None:
        """Follow the stream for ever; begun again where it stopped."""
        retry_s = _FIRST_RETRY_S
        while True:
            began_s = self._clock.monotonic_s()
            try:
                await stream.follow()
            except TandemError as error:
                if self._clock.monotonic_s() - began_s > _MAX_RETRY_S:
                    retry_s = _FIRST_RETRY_S
                self._meter.failed(stream.name, error, retry_s)
                self._meter.ended(stream.name, "failed", self._clock.monotonic_s() - began_s)
            await self._pause(retry_s)
            retry_s = min(2 * retry_s, _MAX_RETRY_S)

    async def _round(self, source: Synchronised, shard: Shard, retry_s: float) -> str:
        work = asyncio.ensure_future(source.sync(shard))
        look = asyncio.ensure_future(self._until_changed(shard))
        try:
            await asyncio.wait([work, look], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return "interrupted"
            report = work.result()
        except TandemError as error:
            self._meter.failed(source.name, error, min(retry_s, source.every_s))
            return "failed"
        finally:
            for task in (work, look):
                task.cancel()
            await asyncio.gather(work, look, return_exceptions=True)
        self._meter.done(source.name, report)
        return "partial" if report.failed or report.prune_refused else "complete"

    async def _until_changed(self, shard: Shard) -> None:
        while await self._crew.shard() == shard:
            await self._pause(LOOK_S)

    async def _until_due(self, due_s: float, shard: Shard) -> None:
        while (left_s := due_s - self._clock.monotonic_s()) > 0 and await self._crew.shard() == shard:
            await self._pause(min(left_s, LOOK_S))
