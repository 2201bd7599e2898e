"""Each gateway's part: it learns of changes, brings what it measured, and decides by the policy what nobody decided yet."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    PromotionRefused,
    ReleaseConflict,
    TandemError,
    UnknownCollection,
)
from tandem.domain.release import Book, Release
from tandem.pipeline.releases.choosing import Choosing
from tandem.pipeline.releases.desk import ReleaseDesk
from tandem.pipeline.releases.evidence import Evidence
from tandem.pipeline.releases.judging import Decision
from tandem.ports.releases import Releases

_log = logging.getLogger("tandem.releases")
POLICY = "policy"
_LOOK_S = 1.0
_TEND_S = 5.0
# In rounds of tending: how often its collection takes over what was written meanwhile.
_FRESHEN_EVERY = 12
# A gate that held it back is asked again only so often: its questions cost searches.
_REFUSED_ROUNDS = 60
_SAY_EVERY = 60


class ReleaseMeter(Protocol):
    """Where releases are counted."""

    def trying(self, weight: float) -> None:
        """The share of the conversations that a release is tried with; 0 while none is."""
        ...

    def seen(self, book: Book) -> None:
        """The latest one."""
        ...

    def decided(self, decision: Decision) -> None:
        """By this process."""
        ...


class Keeping:
    """`context` is on whose behalf collections are promoted."""

    def __init__(
        self,
        store: Releases,
        desk: ReleaseDesk,
        choosing: Choosing,
        evidence: Evidence,
        meter: ReleaseMeter,
        context: Callable[[], RequestContext],
    ) -> None:
        self._store = store
        self._desk = desk
        self._choosing = choosing
        self._evidence = evidence
        self._meter = meter
        self._context = context
        self._candidate: Release | None = None
        self._round = 0
        self._failed: Counter[str] = Counter()
        self._not_before = 0

    async def looking(self) -> None:
        """Until it is cancelled. A store that is away is waited for; the releases known last serve meanwhile."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look()

    async def tending(self) -> None:
        """Until it is cancelled. Beside the looks: a collection takes its time to be promoted, a change must not."""
        while True:
            await asyncio.sleep(_TEND_S)
            await self.tend()

    async def look(self) -> None:
        """Once: what is released is learned, what was measured is brought. Raises nothing of `TandemError`."""
        await self._tolerated("releases are not seen", self._seen())

    async def tend(self) -> None:
        """Once: the one that is tried is judged. Raises nothing of `TandemError`."""
        if self._candidate is not None:
            await self._tolerated("a release is not judged", self._tended(self._candidate))
        self._round += 1

    async def last(self) -> None:
        """What was measured since, before the process ends."""
        try:
            await self._brought()
        except TandemError as error:
            _log.warning("what was measured last of a release is lost: %s", error.message)

    async def _tolerated(self, what: str, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except TandemError as error:
            if self._failed[what] % _SAY_EVERY == 0:
                _log.warning("%s: %s", what, error.message)
            self._failed[what] += 1
        else:
            self._failed[what] = 0

    async def _seen(self) -> None:
        book = await self._store.book()
        self._choosing.see(book)
        self._evidence.watch(book)
        self._meter.seen(book)
        self._candidate = book.candidate
        candidate = self._choosing.candidate
        self._meter.trying(0.0 if candidate is None else candidate.weight)
        await self._brought()

    async def _brought(self) -> None:
        name, tallies = self._evidence.taken()
        if not tallies:
            return
        try:
            await self._store.add(name, tallies)
        except TandemError:
            self._evidence.back(name, tallies)
            raise

    async def _tended(self, candidate: Release) -> None:
        if candidate.collection is not None and self._round % _FRESHEN_EVERY == 0:
            try:
                await self._desk.freshen(candidate, self._context())
            except UnknownCollection as error:
                await self._ended(candidate, "roll_back", error.message)
                return
        if candidate.policy.automatic:
            verdict = (await self._desk.watched(candidate.name)).verdict
            if verdict is not None and verdict.decision != "wait":
                await self._ended(candidate, verdict.decision, "; ".join(verdict.reasons))

    async def _ended(self, candidate: Release, decision: Decision, reason: str) -> None:
        """One gateway of a fleet gets there first; the others find it done."""
        try:
            if decision == "roll_back":
                await self._desk.rollback(candidate.name, POLICY, reason, self._context())
            elif self._round >= self._not_before:
                await self._desk.promote(candidate.name, POLICY, self._context())
            else:
                return
        except ReleaseConflict:
            return
        except PromotionRefused as error:
            self._not_before = self._round + _REFUSED_ROUNDS
            _log.warning("%s", error.message)
            return
        said = logging.INFO if decision == "promote" else logging.WARNING
        _log.log(said, "release %s: %s %s", candidate.name, decision, reason)
        self._meter.decided(decision)
        await self._seen()
