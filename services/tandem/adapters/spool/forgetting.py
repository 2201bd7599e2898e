"""Takes out of what lies beside the spool what may not be kept: records that a sink refused, bytes that nobody can read."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from tandem.adapters.spool.encoding import Unreadable, decoded
from tandem.domain.record import AnswerRecord
from tandem.ports.clock import Clock

# What was put aside as unreadable is for people to look at, in the days after.
QUARANTINE_DAYS = 7.0
_DAY_S = 86_400.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class SpoolLeftovers:
    """`pipeline/privacy/personal.py`'s `Held` over a spool's folder. Segments are not touched: they are on their way."""

    folder: Path
    clock: Clock

    async def forget(self, gone: Callable[[AnswerRecord], bool]) -> int:
        """How many refused records went; what cannot be read goes when it is a week old."""
        return await asyncio.to_thread(self._forget, gone)

    def _forget(self, gone: Callable[[AnswerRecord], bool]) -> int:
        oldest = self.clock.epoch_s() - QUARANTINE_DAYS * _DAY_S
        for file in _files(self.folder / "quarantine", "*"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()
        return sum(_without(file, gone, oldest) for file in _files(self.folder / "refused", "*.jsonl"))


def _files(folder: Path, pattern: str) -> list[Path]:
    return [file for file in folder.glob(pattern) if file.is_file()]


def _without(file: Path, gone: Callable[[AnswerRecord], bool], oldest: float) -> int:
    for _ in range(_TRIES):
        try:
            size = file.stat().st_size
            lines = file.read_bytes().splitlines(keepends=True)
            left = [line for line in lines if not _is(line, gone, oldest)]
            if len(left) == len(lines):
                return 0
            beside = file.with_suffix(".unfinished")
            beside.write_bytes(b"".join(left))
            beside.chmod(0o600)
            # Another record may have been refused meanwhile.
            if file.stat().st_size == size:
                beside.replace(file)
                return len(lines) - len(left)
            beside.unlink()
        except OSError:
            return 0
    return 0


def _is(line: bytes, gone: Callable[[AnswerRecord], bool], oldest: float) -> bool:
    try:
        told = orjson.loads(line)
        at, record = float(told["refused_at"]), orjson.dumps(told["record"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        # A line that is being written, say.
        return False
    try:
        return gone(decoded(record))
    except Unreadable:
        return at < oldest
