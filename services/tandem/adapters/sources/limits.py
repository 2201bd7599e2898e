"""How much one document may cost to read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """`document_bytes` before reading, `text_chars` after, `timeout_s` wall clock, `memory_mb` of the reading process."""

    document_bytes: int = 50_000_000
    text_chars: int = 10_000_000
    timeout_s: float = 60.0
    memory_mb: int = 1024
