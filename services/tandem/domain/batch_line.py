"""One line of a batch: a request to be answered, or why it never became one."""

from dataclasses import dataclass
from typing import NamedTuple


class LineFault(NamedTuple):
    """`code` is one of `pipeline/batches/lines.py`, or batch_expired or batch_cancelled; `message` is for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchLine:
    """`number` counts the file's lines from 0. `body` is the chat request as JSON; None with a `fault`.

    `custom_id` is what the line says, also beside a fault; None where that cannot be read.
    """

    number: int
    custom_id: str | None
    body: bytes | None
    fault: LineFault | None = None
