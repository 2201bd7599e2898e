"""Files of a data set: JSON a line, the same bytes for the same content, and where each line came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class File:
    """`sources` are the receipts of each line, in the order of the lines."""

    name: str
    content: bytes
    sources: tuple[tuple[str, ...], ...] = field(default=())


def json_lines(name: str, rows: Sequence[tuple[tuple[str, ...], Any]]) -> File:
    """A .jsonl of these objects, each with the receipts it was made of; keys stay in their order."""
    content = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for _, row in rows)
    return File(name, content, tuple(receipts for receipts, _ in rows))
