"""Records that a sink will never take, with the reason: a file for each sink, bounded."""

import logging
from pathlib import Path
from urllib.parse import quote

import orjson

from tandem.adapters.spool.encoding import encoded
from tandem.domain.record import AnswerRecord
from tandem.ports.clock import Clock

_log = logging.getLogger("tandem.monitor")
_MOST_BYTES = 8_000_000


class Refused:
    """`SINK.jsonl`, and `SINK.older.jsonl` once that is full; then the older ones go."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def add(self, sink: str, record: AnswerRecord, reason: str) -> None:
        """Where the disk takes nothing, only the log tells."""
        _log.warning("%s refuses the record %s: %s", sink, record.id, reason)
        at = self._clock.epoch_s()
        line = orjson.dumps({"refused_at": at, "reason": reason, "record": orjson.Fragment(encoded(record))}) + b"\n"
        name = quote(sink, safe="")
        path = self._folder / f"{name}.jsonl"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if path.exists() and path.stat().st_size + len(line) > _MOST_BYTES // 2:
                path.replace(self._folder / f"{name}.older.jsonl")
            with path.open("ab") as file:
                file.write(line)
        except OSError as error:
            _log.warning("It could not be put aside: %s", error.strerror)
