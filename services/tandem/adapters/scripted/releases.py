"""Releases in memory."""

from tandem.domain.release import Arm, Book, Measure, Tallies, Tally


class ScriptedReleases:
    """`ports/releases.py`. `fault` is raised by every call while it is set."""

    def __init__(self) -> None:
        self.latest = Book()
        self.fault: Exception | None = None
        self._tallies: dict[str, dict[tuple[Arm, Measure], Tally]] = {}

    async def book(self) -> Book:
        """See the port."""
        self._check()
        return self.latest

    async def write(self, book: Book) -> bool:
        """See the port."""
        self._check()
        if book.revision != self.latest.revision + 1:
            return False
        self.latest = book
        self._tallies = {name: known for name, known in self._tallies.items() if book.find(name) is not None}
        return True

    async def add(self, release: str, tallies: Tallies) -> None:
        """See the port."""
        self._check()
        known = self._tallies.setdefault(release, {})
        for key, tally in tallies.items():
            known[key] = known.get(key, Tally()) + tally

    async def tallies(self, release: str) -> Tallies:
        """See the port."""
        self._check()
        return dict(self._tallies.get(release, {}))

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault
