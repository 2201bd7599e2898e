"""A file of questions that are answered by the thousand, and what came of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tandem.domain.context import DEFAULT_TENANT
from tandem.domain.job import BATCHES

CHAT = "/v1/chat/completions"
Purpose = Literal["batch", "batch_output"]
# `output` has the lines that were answered, `errors` the others.
Side = Literal["output", "errors"]
BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
OVER: frozenset[BatchStatus] = frozenset({"failed", "completed", "expired", "cancelled"})


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`size` in bytes. Of what a batch wrote, `batch_id` and `side` say which lines it has: they are read where they are kept.

    `caller`, `groups` and `user` are those of who uploaded it, or the batch's.
    """

    id: str
    filename: str
    purpose: Purpose
    created_at: float
    expires_at: float
    size: int = 0
    tenant: str = DEFAULT_TENANT
    caller: str = ""
    groups: tuple[str, ...] = ()
    user: str | None = None
    batch_id: str | None = None
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class BatchFault:
    """Why no line of a batch could be run; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many lines of a batch stand where; `expired` are among the `failed`."""

    open: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        """All that there are."""
        return self.open + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Batch:
    """Instants are seconds since 1970. `window` is how OpenAI writes the time it has, which ends at `expires_at`.

    `caller`, `groups`, `user` and `admin` are those of who created it, `weight` is its tenant's share, `queue` where its
    lines wait. `read` lines of its file are among the jobs; `total` is known once all are. `tally` is that of its end.
    """

    id: str
    input_file_id: str
    endpoint: str
    window: str
    created_at: float
    expires_at: float
    tenant: str = DEFAULT_TENANT
    caller: str = ""
    groups: tuple[str, ...] = ()
    user: str | None = None
    admin: bool = False
    weight: float = 1.0
    queue: str = BATCHES
    metadata: Mapping[str, str] = field(default_factory=dict)
    status: BatchStatus = "validating"
    read: int = 0
    total: int = 0
    tally: Tally | None = None
    in_progress_at: float | None = None
    finalizing_at: float | None = None
    cancelling_at: float | None = None
    ended_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    faults: tuple[BatchFault, ...] = ()

    @property
    def over(self) -> bool:
        """Nothing will come of it any more."""
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class BatchLease:
    """The right to move a batch on. Whoever has another `token` lost it, or never had it."""

    batch: Batch
    token: str


def line_id(batch_id: str, line: int) -> str:
    """The job of a line, which is counted from 0: the same however often the file is read."""
    return f"job-{batch_id.removeprefix('batch_')}-{line:06}"


def output_id(batch_id: str, side: Side) -> str:
    """The file of what a batch wrote."""
    return f"file-{batch_id.removeprefix('batch_')}-{side}"


def own_queue(batch_id: str) -> str:
    """Where the lines of a batch wait that has pods of its own."""
    return f"{BATCHES}/{batch_id}"
