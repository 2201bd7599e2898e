"""Keeps what is to be gone from arriving: records that were still on their way when their user was forgotten, or too old."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from tandem.domain.errors import TandemError, UpstreamUnavailable
from tandem.domain.record import AnswerRecord
from tandem.ports.clock import Clock
from tandem.ports.forgotten import Forgotten
from tandem.ports.sink import Sink

_log = logging.getLogger("tandem.privacy")
# How long a list of the forgotten is good for. Deletion at another process takes effect here after that at the latest.
_GOOD_S = 2.0
DAY_S = 86_400.0
# What is too old: the tenant's limit in days, None when there is none.
KeptDays = Callable[[str], float | None]


class Forgettable:
    """The list of the forgotten as far as it is known here, read again when it is older than a few seconds.

    While the store is away the last list counts; without any, nothing is let through. Whoever deletes what the list names
    holds `deleting`.
    """

    def __init__(self, forgotten: Forgotten, kept_days: KeptDays, clock: Clock) -> None:
        self._forgotten = forgotten
        self._kept_days = kept_days
        self._clock = clock
        self._known: dict[tuple[str, str], float] | None = None
        self._read_s = 0.0
        self.deleting = asyncio.Lock()

    async def refresh(self, *, now: bool = False) -> None:
        """Raises `UpstreamUnavailable` when there is no list at all."""
        if self._known is not None and not now and self._clock.monotonic_s() - self._read_s < _GOOD_S:
            return
        try:
            noted = await self._forgotten.all()
        except TandemError as error:
            if self._known is None:
                raise UpstreamUnavailable(
                    f"Whose answers were deleted cannot be told: {error.message}", hint=error.hint, stage="state"
                ) from error
            _log.warning("the list of deleted users is as of a while ago: %s", error.message)
        else:
            self._known = {(each.tenant, user): each.at for each in noted for user in each.users}
        self._read_s = self._clock.monotonic_s()

    def gone(self, record: AnswerRecord) -> bool:
        """True when the record may not be kept any more."""
        tenant, user, began_at = record.asker.tenant, record.asker.user, record.timing.began_at
        days = self._kept_days(tenant)
        if days is not None and began_at < self._clock.epoch_s() - days * DAY_S:
            return True
        return user is not None and began_at <= (self._known or {}).get((tenant, user), float("-inf"))


class Withholding:
    """`ports/sink.py` before another one: what is gone is passed over, and told to `passed_over`."""

    def __init__(
        self,
        sink: Sink,
        forgettable: Forgettable,
        passed_over: Callable[[Sequence[AnswerRecord]], None] = lambda _: None,
    ) -> None:
        self._sink = sink
        self._forgettable = forgettable
        self._passed_over = passed_over

    @property
    def name(self) -> str:
        """The sink's."""
        return self._sink.name

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """See the port."""
        await self._forgettable.refresh()
        gone: list[AnswerRecord] = []
        left: list[AnswerRecord] = []
        for record in records:
            (gone if self._forgettable.gone(record) else left).append(record)
        if left:
            await self._sink.ship(left)
        if gone:
            self._passed_over(gone)
