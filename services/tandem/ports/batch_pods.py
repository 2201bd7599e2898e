"""Pods of its own for a batch: they answer its lines and nothing else, and end when none is open."""

from typing import Protocol


class BatchPods(Protocol):
    """Every call raises `UpstreamUnavailable` when whoever runs pods cannot be asked, or refuses now, and `UpstreamFailed` when
    it never will take what it was given. Any process may make any call: they know each other's by the batch's id.
    """

    async def start(self, batch_id: str, lines: int) -> None:
        """See to it that pods are at work, or will be: as many as for so many lines, at least one. Those that are at work are
        left as they are; where all have ended, new ones come.
        """
        ...

    async def stop(self, batch_id: str) -> None:
        """Take the pods away; whatever they were at is up to the queue. Without any, nothing happens."""
        ...

    async def alive(self, batch_id: str) -> bool:
        """False when there are none, or all have ended: whatever is still open then is nobody's."""
        ...
