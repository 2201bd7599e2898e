"""Questions that come as records of a stream, and their answers, which go into another one."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes], ...]
# Told of partitions that are others' now: what was taken from them is not ours to answer any more.
Lost = Callable[[Collection[int]], None]


@dataclass(frozen=True, slots=True)
class Posed:
    """A record with a question. `at_s`: epoch seconds when it was written; without a value `body` is None."""

    topic: str
    partition: int
    position: int
    body: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What becomes of a question: its answer, or (`failed`) an error that says why it has none."""

    posed: Posed
    body: bytes
    headers: Headers = ()
    failed: bool = False


class OpenQuestions(Protocol):
    """A stream as long as it is open. Members of one group share its partitions."""

    @property
    def behind(self) -> int:
        """About how many records of the partitions that are ours have no answer yet."""
        ...

    async def take(self, most: int, full: Collection[int] = ()) -> Sequence[Posed]:
        """The next questions, those of a partition in order; none of the partitions that are `full`.

        Waits a moment for one. Must be called again and again, with `most` 0 where none is wanted: the membership hangs
        on it. Raises `UpstreamUnavailable`.
        """
        ...

    async def publish(self, partition: int, replies: Sequence[Reply]) -> bool:
        """These answers and that their questions are done, as one: both are there for all to see, or neither is.

        They are the oldest of the partition that were taken and not published, in order. False: the partition is another
        one's, and nothing was written. Raises `UpstreamUnavailable` when nobody knows whether it was: opened anew, the
        stream goes on where it is done.
        """
        ...


class QuestionStream(Protocol):
    """Each question is taken at least once and answered once, for readers who see only what is committed."""

    def open(self, lost: Lost) -> AbstractAsyncContextManager[OpenQuestions]:
        """Take part. Raises `InvalidRequest` when there is no such stream, `UpstreamUnavailable` when it is away.

        Left, what was taken and not published is others' to answer.
        """
        ...
