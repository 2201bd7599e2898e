"""Parquet files in the settings."""

from pydantic import Field

from tandem.app.group import Group


class Parquet(Group):
    """Records as Parquet files, by day and tenant."""

    url: str | None = None
    """A folder, or s3://BUCKET/PREFIX (gs://, az:// …); unset: none. Processes may share it."""
    rows: int = Field(default=1000, ge=1, le=10_000)
    """Records of one batch, which makes a file for each day and tenant in it."""
    interval_s: float = Field(default=300.0, ge=0, le=3600)
    """Seconds to wait for so many, since the first of them came."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Longest time for one batch; then it is tried again."""
