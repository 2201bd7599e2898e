"""Which requests get a line in the log; settings make one without loading what serves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Of requests that went well (below 400) the `share` that is written; of all below 500 at most `per_s` a second.

    The trace's id decides about the share, so that all processes write of the same requests.
    """

    share: float = 1.0
    per_s: int | None = None


EVERY_LINE = AccessRule()
