"""What one client may cost: before it has asked anything, while it asks, and while it is answered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes, and connections of this process."""

    max_connections: int = 10_000
    header_timeout_s: float = 10.0
    max_header_bytes: int = 65_536
    keep_alive_s: float = 75.0
    write_timeout_s: float = 30.0
