"""Batches, and the lines of theirs among the jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.batch import Batch, BatchLease, BatchStatus, Side, StoredFile, Tally
from tandem.domain.job import Job

MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Newest first; `more` stand behind the last of them."""

    batches: tuple[Batch, ...]
    more: bool = False


class Batches(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now.

    Lines are jobs (`ports/jobs.py`) with the batch's id. No call with a tenant looks beyond it.
    """

    async def create(self, batch: Batch) -> None:
        """A new one."""
        ...

    async def batch(self, tenant: str, batch_id: str) -> Batch | None:
        """One look-up by both."""
        ...

    async def anybodys(self, batch_id: str) -> Batch | None:
        """Whatever its tenant: for who works on it by the operator's order."""
        ...

    async def page(self, tenant: str, *, caller: str | None, limit: int, after: str | None = None) -> BatchPage:
        """Of one caller, with None of all. At most `limit`, up to `MAX_PAGE`, behind the batch `after`: none behind one that
        is not there.
        """
        ...

    async def open(self, tenant: str) -> int:
        """How many of the tenant's are not over."""
        ...

    async def going(self) -> Mapping[BatchStatus, int]:
        """How many of all tenants' are not over, by status, where there is any."""
        ...

    async def cancel(self, tenant: str, batch_id: str) -> Batch | None:
        """One that is not over becomes `cancelling`; the others stay as they are."""
        ...

    async def claim(self, lease_s: float) -> BatchLease | None:
        """One to be moved on: the longest due of those that are not over and that nobody else moves on."""
        ...

    async def keep(self, lease: BatchLease, batch: Batch, lease_s: float) -> bool:
        """Its new state, and the lease for so long from now. False when the lease is lost; one that was cancelled meanwhile
        counts as that, unless the new state knows.
        """
        ...

    async def end(self, lease: BatchLease, batch: Batch, written: Sequence[StoredFile]) -> bool:
        """It is over, with what it wrote, in one transaction. False when the lease is lost."""
        ...

    async def release(self, lease: BatchLease, look_again_s: float) -> None:
        """To be claimed again after so long; at once when it was cancelled since it was claimed."""
        ...

    async def tally(self, batch: Batch) -> Tally:
        """Counted now."""
        ...

    async def any_open(self, batch: Batch) -> bool:
        """Whether a line has not ended: cheap."""
        ...

    async def lines(self, batch: Batch, side: Side, *, after: int = -1, limit: int) -> tuple[Job, ...]:
        """Those that ended, in the file's order behind line `after`, without bodies: answered ones, or the others."""
        ...

    async def stop_lines(self, batch: Batch, most: int) -> int:
        """Cancel at most so many that wait, or whose lease has lapsed, and ask those that run to stop. How many were cancelled."""
        ...

    async def drop_lines(self, tenant: str, batch_id: str, side: Side) -> None:
        """Delete those that `lines` tells of one side."""
        ...

    async def tenants(self) -> tuple[str, ...]:
        """Those that have batches, in order."""
        ...

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, ended_before: float | None = None
    ) -> int:
        """Delete those of a user, created before an instant, that ended before an instant: what all of these apply to. With
        none, all of the tenant's. Their lines and what they wrote go along; so does, for a user, the input of every batch that
        has a line of theirs, and with `ended_before` what ended of lines whose batch was deleted while it was read.
        """
        ...
