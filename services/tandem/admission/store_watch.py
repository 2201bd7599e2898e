"""Which store counts now: the shared one while it answers, and what was declared for when it does not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from tandem.domain.errors import UpstreamUnavailable
from tandem.ports.quotas import QuotaStore

_log = logging.getLogger("tandem.quotas")
# A single slow answer is not a loss; nobody is asked to wait for a store that was slow this often in a row.
_FAILURES = 3
_PROBE_S = 1.0

T = TypeVar("T")
Question = Callable[[QuotaStore, float], Awaitable[T]]
"""What to ask a store, given the share of the limits that is its to give away."""


class StoreMeter(Protocol):
    """Where the store's state is shown; `observe/metrics.py` is one."""

    def quota_store(self, *, up: bool) -> None:
        """It answers, or it does not."""
        ...

    def decided_without_store(self) -> None:
        """A decision was made although the shared store did not answer."""
        ...


class StoreWatch:
    """Asks `shared`, and `local` with `local_share` of each limit while it is lost; without a `local` nothing passes.

    A lost store is not asked by requests at all: one probe a second, in `watch`, finds out when it is back.
    """

    def __init__(
        self, shared: QuotaStore, meter: StoreMeter, *, local: QuotaStore | None = None, local_share: float = 1.0
    ) -> None:
        self._shared = shared
        self._meter = meter
        self._local = local
        self._local_share = local_share
        self._failures = 0
        meter.quota_store(up=True)

    @property
    def lost(self) -> bool:
        """True while decisions are made without the shared store."""
        return self._failures >= _FAILURES

    @property
    def counting(self) -> QuotaStore | None:
        """The store that would be asked now; None when there is none."""
        return self._local if self.lost else self._shared

    async def ask(self, question: Question[T]) -> tuple[T, QuotaStore]:
        """The reply and the store that gave it, which is the one to tell when it is over.

        Raises `UpstreamUnavailable` when the shared store does not answer and none stands in for it.
        """
        if not self.lost:
            try:
                reply = await question(self._shared, 1.0)
            except UpstreamUnavailable as error:
                self._failed(error)
            else:
                self._answered()
                return reply, self._shared
        self._meter.decided_without_store()
        if self._local is None:
            raise UpstreamUnavailable(
                "It cannot be told now whether the tenant's quota allows this: the quota store does not answer.",
                hint="Try again after Retry-After seconds.",
            )
        return await question(self._local, self._local_share), self._local

    async def watch(self) -> None:
        """Runs beside the server for as long as it serves."""
        while True:
            try:
                await self._shared.ping()
            except UpstreamUnavailable as error:
                self._failed(error)
            else:
                self._answered()
            await asyncio.sleep(_PROBE_S)

    def _failed(self, error: UpstreamUnavailable) -> None:
        self._failures += 1
        if self._failures == _FAILURES:
            self._meter.quota_store(up=False)
            reason = error.__cause__ or error
            instead = "nothing limited passes" if self._local is None else "each replica counts its own share"
            _log.error("the quota store is lost (%s: %s): %s", type(reason).__name__, reason, instead)

    def _answered(self) -> None:
        if self.lost:
            self._meter.quota_store(up=True)
            _log.warning("the quota store is back")
        self._failures = 0
