"""Files and batches where there is no place for them: a fleet whose processes share no database."""

# ruff: noqa: ARG002 - it has its ports' signatures, and looks at nothing

from collections.abc import AsyncIterator, Mapping, Sequence

from tandem.domain.batch import Batch, BatchLease, BatchStatus, Purpose, Side, StoredFile, Tally
from tandem.domain.errors import NotServed, UpstreamFailed
from tandem.domain.job import Job
from tandem.ports.batch_pods import BatchPods
from tandem.ports.batches import Batches, BatchPage
from tandem.ports.files import FilePage, Files


class _UnkeptFiles:
    async def put(self, file: StoredFile, content: AsyncIterator[bytes]) -> StoredFile:
        """Raises `NotServed`."""
        raise _refusal()

    async def file(self, tenant: str, file_id: str) -> StoredFile | None:
        """Raises `NotServed`."""
        raise _refusal()

    async def page(
        self, tenant: str, *, caller: str | None, purpose: Purpose | None, limit: int, after: str | None = None
    ) -> FilePage:
        """Raises `NotServed`."""
        raise _refusal()

    async def content(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Raises `NotServed`."""
        raise _refusal()
        yield b""

    async def size(self, tenant: str) -> int:
        """Raises `NotServed`."""
        raise _refusal()

    async def delete(self, tenant: str, file_id: str) -> bool:
        """Raises `NotServed`."""
        raise _refusal()

    async def tenants(self) -> tuple[str, ...]:
        """Nobody."""
        return ()

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, expired_by: float | None = None
    ) -> int:
        """Nothing to forget."""
        return 0


class _UnkeptBatches:
    async def create(self, batch: Batch) -> None:
        """Raises `NotServed`."""
        raise _refusal()

    async def batch(self, tenant: str, batch_id: str) -> Batch | None:
        """Raises `NotServed`."""
        raise _refusal()

    async def anybodys(self, batch_id: str) -> Batch | None:
        """Raises `NotServed`."""
        raise _refusal()

    async def page(self, tenant: str, *, caller: str | None, limit: int, after: str | None = None) -> BatchPage:
        """Raises `NotServed`."""
        raise _refusal()

    async def open(self, tenant: str) -> int:
        """There is none."""
        return 0

    async def going(self) -> Mapping[BatchStatus, int]:
        """There is none."""
        return {}

    async def cancel(self, tenant: str, batch_id: str) -> Batch | None:
        """Raises `NotServed`."""
        raise _refusal()

    async def claim(self, lease_s: float) -> BatchLease | None:
        """There is none."""
        return None

    async def keep(self, lease: BatchLease, batch: Batch, lease_s: float) -> bool:
        """It is lost."""
        return False

    async def end(self, lease: BatchLease, batch: Batch, written: Sequence[StoredFile]) -> bool:
        """It is lost."""
        return False

    async def release(self, lease: BatchLease, look_again_s: float) -> None:
        """It is lost."""

    async def tally(self, batch: Batch) -> Tally:
        """Nothing."""
        return Tally()

    async def any_open(self, batch: Batch) -> bool:
        """There is none."""
        return False

    async def lines(self, batch: Batch, side: Side, *, after: int = -1, limit: int) -> tuple[Job, ...]:
        """There is none."""
        return ()

    async def stop_lines(self, batch: Batch, most: int) -> int:
        """There is none."""
        return 0

    async def drop_lines(self, tenant: str, batch_id: str, side: Side) -> None:
        """There is none."""

    async def tenants(self) -> tuple[str, ...]:
        """Nobody."""
        return ()

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, ended_before: float | None = None
    ) -> int:
        """Nothing to forget."""
        return 0


class _NoPods:
    async def start(self, batch_id: str, lines: int) -> None:
        """Raises `UpstreamFailed`."""
        raise UpstreamFailed("This process makes no pods for batches.", hint="Set batches.run to job.")

    async def stop(self, batch_id: str) -> None:
        """There is none."""

    async def alive(self, batch_id: str) -> bool:
        """There is none."""
        return False


def _refusal() -> NotServed:
    return NotServed(
        "There is no place for batches here: these processes share no database.",
        hint="Set state.url to a PostgreSQL that all of them reach.",
    )


UNKEPT_FILES: Files = _UnkeptFiles()
UNKEPT_BATCHES: Batches = _UnkeptBatches()
NO_PODS: BatchPods = _NoPods()
