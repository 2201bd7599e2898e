"""`Retry-After` as seconds, in both forms that HTTP has for it."""

from email.utils import parsedate_to_datetime

# A server may ask for an hour; a header of a year is a mistake, and waiting for ever for it another.
LONGEST_S = 3600.0


def retry_after_s(header: str | None, epoch_s: float) -> float | None:
    """Seconds from now, 0…3600; None without a header that can be read. `epoch_s` is now, as seconds since 1970 UTC."""
    if header is None:
        return None
    header = header.strip()
    seconds = float(header) if header.isascii() and header.replace(".", "", 1).isdigit() else _until(header, epoch_s)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_S)


def _until(header: str, epoch_s: float) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() - epoch_s
    except (ValueError, OverflowError, IndexError):
        return None
