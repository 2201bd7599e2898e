"""Where releases are kept, and what was measured of them: shared by all processes that answer."""

from typing import Protocol

from tandem.domain.release import Book, Tallies


class Releases(Protocol):
    """Every call raises `UpstreamUnavailable`, `StoreBusy` or `StoreFull` when the store cannot do it now, and `NotServed`
    where there is none.
    """

    async def book(self) -> Book:
        """As it is now; cheap, it is looked at every second."""
        ...

    async def write(self, book: Book) -> bool:
        """Put it in the place of the revision before it; False when that was not the latest, and nothing was changed.

        What was measured of a release that is in the book no more goes with it: its name is free again.
        """
        ...

    async def add(self, release: str, tallies: Tallies) -> None:
        """More of a candidate and of what it is held against."""
        ...

    async def tallies(self, release: str) -> Tallies:
        """The sums of all that was added."""
        ...
