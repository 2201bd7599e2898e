"""Settings of batches: files of questions. `docs/batches.md` tells more."""

from typing import Literal

from pydantic import Field

from tandem.app.group import Group


class Batches(Group):
    """`POST /v1/files`, `POST /v1/batches`, and whoever answers their lines; where jobs are taken, so are they."""

    max_file_bytes: int = Field(default=100_000_000, ge=1024)
    """Largest upload."""
    max_lines: int = Field(default=50_000, ge=1)
    """A batch of a longer file fails."""
    max_open: int = Field(default=100, ge=1)
    """Batches of one tenant; one more is answered 429."""
    max_stored_bytes: int = Field(default=1_000_000_000, ge=1024)
    """Uploads of one tenant together; beyond, the next one is answered 507."""
    keep_days: float = Field(default=30.0, gt=0)
    """Files, and a batch with its lines from its end on, are deleted then."""
    run: Literal["here", "job"] = "here"
    """`here`: whoever takes on `batches` answers the lines. `job`: each batch gets pods of its own, an Indexed Job in this cluster."""
