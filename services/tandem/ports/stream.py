"""Documents that come as events, in an order that counts: a topic that is followed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.document import RawDocument

# The last position of each of these partitions that has taken effect; without an entry none has.
Positions = Callable[[Sequence[int]], Awaitable[Mapping[int, int]]]


@dataclass(frozen=True, slots=True)
class Event:
    """A document was put, or (`document` None) deleted. `at_s`: epoch seconds when that happened.

    `fault` says why the event cannot be understood; then there is no document either, and `document_id` names the event.
    """

    partition: int
    position: int
    document_id: str
    at_s: float
    document: RawDocument | None = None
    fault: str | None = None


class Stream(Protocol):
    """Events of one partition come in order, each at least once; a batch must be done with before the next is asked for."""

    @property
    def name(self) -> str:
        """What its positions are kept under; the same wherever the stream is followed from."""
        ...

    def place_of(self, event: Event) -> str:
        """What names this one event, so that it can be read again; passwords left out."""
        ...

    def batches(
        self, positions: Positions, *, until_end: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Event]]]:
        """From behind what has taken effect; `until_end` ends with what was there when it began.

        Raises `InvalidRequest` when there is no such stream, `UpstreamUnavailable` when it cannot be reached.
        """
        ...
