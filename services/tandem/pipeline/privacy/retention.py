"""Deletes what is older than its tenant keeps it."""

import logging
import math
from collections.abc import Awaitable
from datetime import UTC, datetime

from tandem.domain.errors import TandemError
from tandem.pipeline.privacy.personal import DeletionMeter, Places
from tandem.pipeline.privacy.withholding import DAY_S, Forgettable, KeptDays
from tandem.ports.clock import Clock

_log = logging.getLogger("tandem.privacy")
INTERVAL_S = 3_600.0
# A wall clock that went so much more or less than time did was set anew: what is old is not told by it this time.
_JUMP_S = 3_600.0


class Retention:
    """Rounds over all places; several processes may do them at once. What fails is tried again the next time.

    `longest_days` is the longest that any tenant keeps, None when one keeps for ever. Jobs go `job_days` and batches
    `batch_days` after their end, where their tenant keeps for ever as well.
    """

    def __init__(
        self,
        places: Places,
        kept_days: KeptDays,
        longest_days: float | None,
        forgettable: Forgettable,
        clock: Clock,
        meter: DeletionMeter,
        *,
        job_days: float = math.inf,
        batch_days: float = math.inf,
    ) -> None:
        self._places = places
        self._kept_days = kept_days
        self._longest_days = longest_days
        self._forgettable = forgettable
        self._clock = clock
        self._meter = meter
        self._job_days = job_days
        self._batch_days = batch_days
        self._last = (clock.monotonic_s(), clock.epoch_s())

    async def round(self) -> dict[str, int]:
        """How much was deleted, by place."""
        gone: dict[str, int] = {}
        if self._jumped():
            _log.warning("the wall clock was set anew: nothing is deleted for its age until the next round")
            return gone
        places, now = self._places, self._clock.epoch_s()
        for tenant in await self._tenants():
            days = self._kept_days(tenant)
            ended_before = now - min(self._job_days, math.inf if days is None else days) * DAY_S
            await self._done("jobs", places.jobs.forget(tenant, ended_before=ended_before), gone)
            over = now - min(self._batch_days, math.inf if days is None else days) * DAY_S
            await self._done("batches", places.batches.forget(tenant, ended_before=over), gone)
            await self._done("files", places.files.forget(tenant, expired_by=now), gone)
            if days is None:
                continue
            before = now - days * DAY_S
            day = datetime.fromtimestamp(before, UTC).date()
            work: list[tuple[str, Awaitable[int]]] = [
                ("receipts", places.receipts.forget(tenant, before=before)),
                ("feedback", places.feedback.forget(tenant, before=before)),
                ("files", places.files.forget(tenant, before=before)),
                *((kind, archive.drop(tenant, day)) for kind, archive in places.archives.items()),
            ]
            for where, deleting in work:
                await self._done(where, deleting, gone)
        # Else it would count for its age what is being deleted for its user.
        async with self._forgettable.deleting:
            await self._arrived_late(gone)
        for where, held in places.held.items():
            await self._done(where, held.forget(self._forgettable.gone), gone)
        if self._longest_days is not None:
            oldest = now - self._longest_days * DAY_S
            await self._done("forgotten", places.forgotten.drop(oldest), {})
        if gone:
            _log.info("deleted for their age: %s", ", ".join(f"{many} {where}" for where, many in gone.items()))
        return gone

    async def _arrived_late(self, gone: dict[str, int]) -> None:
        """What another process kept before it had heard that its user was forgotten."""
        places = self._places
        try:
            noted = await places.forgotten.all()
        except TandemError as error:
            _log.warning("whose answers were deleted cannot be told now: %s", error.message)
            return
        for each in noted:
            for user in each.users:
                # What began at that instant is to be gone, too.
                until = math.nextafter(each.at, math.inf)
                work = (
                    ("receipts", places.receipts.forget(each.tenant, user=user, before=until)),
                    ("feedback", places.feedback.forget(each.tenant, user=user, before=until)),
                )
                for where, deleting in work:
                    await self._done(where, deleting, gone)

    async def _done(self, where: str, deleting: Awaitable[int], gone: dict[str, int]) -> None:
        try:
            many = await deleting
        except TandemError as error:
            _log.warning("what is old cannot be deleted from %s now: %s", where, error.message)
            return
        if many:
            gone[where] = gone.get(where, 0) + many
            self._meter.deleted(where, "age", many)

    async def _tenants(self) -> list[str]:
        found: set[str] = set()
        for ask in (
            self._places.receipts.tenants,
            self._places.feedback.tenants,
            self._places.jobs.tenants,
            self._places.files.tenants,
            self._places.batches.tenants,
            *(archive.tenants for archive in self._places.archives.values()),
        ):
            try:
                found |= set(await ask())
            except TandemError as error:
                _log.warning("a place of answers cannot be asked whose they are: %s", error.message)
        return sorted(found)

    def _jumped(self) -> bool:
        then_s, then = self._last
        now_s, now = self._clock.monotonic_s(), self._clock.epoch_s()
        self._last = (now_s, now)
        return abs((now - then) - (now_s - then_s)) > _JUMP_S
