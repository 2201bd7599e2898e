"""How a record lies in a segment, and how the readable ones are found again in a damaged segment."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

# Its first byte occurs in no UTF-8 text, so that a record's own text is never taken for a mark.
MARK = b"\xf5tr\n"
# Mark, number, when it was written (seconds since 1970), length of the text, CRC-32 of what stands before it and the text.
_HEAD = struct.Struct("<4sQdII")
_BODY = struct.Struct("<QdI")
HEAD_BYTES = _HEAD.size
# Longer ones are not written; a damaged length that says more is known to be damaged.
MOST_BYTES = 64 * 1024 * 1024
_WINDOW = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """One record as JSON; `start` and `end` are bytes of the segment."""

    number: int
    written_at: float
    text: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch that holds no readable record; `cut`: the end of what a process was writing when it died."""

    reason: Literal["cut", "damaged"]
    start: int
    end: int


def framed(number: int, written_at: float, text: bytes) -> bytes:
    """The bytes of a record."""
    body = _BODY.pack(number, written_at, len(text))
    return b"".join((MARK, body, zlib.crc32(text, zlib.crc32(body)).to_bytes(4, "little"), text))


def frames(file: BinaryIO, start: int, until: int) -> Iterator[Frame | Damage]:
    """What lies between two positions, of which the first is the beginning of a record."""
    while start < until:
        frame = _frame(file, start, until)
        if frame is not None:
            yield frame
            start = frame.end
            continue
        following = _following(file, start + 1, until)
        reason: Literal["cut", "damaged"] = "cut" if following == until and _cut(file, start, until) else "damaged"
        yield Damage(reason, start, following)
        start = following


def _frame(file: BinaryIO, start: int, until: int) -> Frame | None:
    file.seek(start)
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES or not head.startswith(MARK):
        return None
    _, number, written_at, length, crc = _HEAD.unpack(head)
    if length > min(MOST_BYTES, until - start - HEAD_BYTES):
        return None
    text = file.read(length)
    if len(text) < length or zlib.crc32(text, zlib.crc32(head[4:-4])) != crc:
        return None
    return Frame(number, written_at, text, start, start + HEAD_BYTES + length)


def _cut(file: BinaryIO, start: int, until: int) -> bool:
    """True for the beginning of a record that the end of the segment is missing for."""
    file.seek(start)
    head = file.read(min(HEAD_BYTES, until - start))
    if len(head) < HEAD_BYTES:
        return MARK.startswith(head[:4])
    _, _, _, length, _ = _HEAD.unpack(head)
    return head.startswith(MARK) and until - start - HEAD_BYTES < length <= MOST_BYTES


def _following(file: BinaryIO, start: int, until: int) -> int:
    """Where the next readable record begins, `until` when none does."""
    while start < until:
        file.seek(start)
        window = file.read(min(_WINDOW, until - start))
        if not window:
            break
        at = window.find(MARK)
        while at >= 0:
            if _frame(file, start + at, until) is not None:
                return start + at
            at = window.find(MARK, at + 1)
        # A mark may lie across two windows.
        start += max(1, len(window) - len(MARK) + 1)
    return until
