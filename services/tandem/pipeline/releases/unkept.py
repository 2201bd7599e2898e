"""Releases where there is no place for them: a fleet whose gateways share no database."""

# ruff: noqa: ARG002 - it has its port's signatures, and looks at nothing

from typing import NoReturn

from tandem.domain.errors import NotServed
from tandem.domain.release import Book, Tallies
from tandem.ports.releases import Releases


class _Unkept:
    async def book(self) -> Book:
        """Raises `NotServed`."""
        _refuse()

    async def write(self, book: Book) -> bool:
        """Raises `NotServed`."""
        _refuse()

    async def add(self, release: str, tallies: Tallies) -> None:
        """Raises `NotServed`."""
        _refuse()

    async def tallies(self, release: str) -> Tallies:
        """Raises `NotServed`."""
        _refuse()


def _refuse() -> NoReturn:
    raise NotServed(
        "There is no place for releases here.", hint="Set state.url to a PostgreSQL that all gateways share."
    )


UNKEPT_RELEASES: Releases = _Unkept()
