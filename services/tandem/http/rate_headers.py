"""A tenant's standing as OpenAI's `x-ratelimit-*` headers."""

import math
from collections.abc import Iterator

from tandem.domain.quota import Standing

Header = tuple[bytes, bytes]


def rate_headers(standing: Standing | None) -> Iterator[Header]:
    """Limit, remaining and reset of requests and tokens; nothing of what is unlimited."""
    if standing is None:
        return
    for kind, level in (("requests", standing.requests), ("tokens", standing.tokens)):
        if level is not None:
            yield f"x-ratelimit-limit-{kind}".encode(), b"%d" % level.limit
            yield f"x-ratelimit-remaining-{kind}".encode(), b"%d" % max(0, level.remaining)
            yield f"x-ratelimit-reset-{kind}".encode(), duration(level.reset_s).encode()


def duration(seconds: float) -> str:
    """A duration as OpenAI writes it: `0s`, `17ms`, `1.2s`, `6m0s`; rounded up to milliseconds."""
    milliseconds = math.ceil(round(max(0.0, seconds) * 1000, 3))
    if milliseconds == 0:
        return "0s"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
