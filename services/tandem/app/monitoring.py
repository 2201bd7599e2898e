"""Prompt monitoring in the settings: how records of answers are kept, and where they go."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from tandem.app.columns import Parquet
from tandem.app.group import Group
from tandem.app.otlp import Otlp


class Spool(Group):
    """Records on the disk, until every sink has them."""

    dir: Path | None = None
    """Its folder, one for each process. Unset: `data_dir`/monitor."""
    fsync: Literal["always", "interval", "never"] = "interval"
    """When records are safe from a machine that fails: each time some were written, every `fsync_interval_s`, or when the system likes."""
    fsync_interval_s: float = Field(default=1.0, gt=0, le=60)
    """The most that `interval` loses, in seconds."""
    segment_bytes: int = Field(default=16_000_000, ge=65_536)
    """Size of a file; what is shipped is deleted by whole files."""
    max_bytes: int = Field(default=1_000_000_000, ge=262_144)
    """Size of all of them. Beyond it records are lost, and counted."""
    on_full: Literal["drop_oldest", "drop_new"] = "drop_oldest"
    """Which records go then."""

    @model_validator(mode="after")
    def _several(self) -> Self:
        if self.max_bytes < 4 * self.segment_bytes:
            raise ValueError("spool.max_bytes has room for less than four files of spool.segment_bytes")
        return self


class Receipts(Group):
    """Records that can be looked up, in the store that `state` names."""

    enabled: bool = True
    """`false`: none are kept, and `/v1/receipts` knows none."""


class Stdout(Group):
    """One line of JSON a record, for a collector of logs."""

    enabled: bool = False
    """Whether to."""


class Monitor(Group):
    """A record of each answer, and where it goes. Without a sink none is kept."""

    enabled: bool = True
    """`false`: no records, whatever sinks there are."""
    queue_records: int = Field(default=10_000, ge=1)
    """Records that wait in memory for the disk; more are lost, and counted."""
    queue_bytes: int = Field(default=64_000_000, ge=65_536)
    """The same, by what their texts take."""
    drain_timeout_s: float = Field(default=5.0, ge=0)
    """Seconds at the end, after the last answer: records get to the disk, and as many as fit to the sinks."""
    batch_records: int = Field(default=256, ge=1, le=10_000)
    """Records that a sink gets at once, at most."""
    ship_timeout_s: float = Field(default=30.0, gt=0)
    """Longest time for one batch; then it is tried again."""
    retry_s: float = Field(default=0.5, gt=0)
    """Pause after a sink failed; twice as long each time, and some of it by chance. A Retry-After is heeded."""
    longest_retry_s: float = Field(default=60.0, gt=0)
    """Longest such pause."""
    spool: Spool = Spool()
    receipts: Receipts = Receipts()
    otlp: Otlp = Otlp()
    parquet: Parquet = Parquet()
    stdout: Stdout = Stdout()
