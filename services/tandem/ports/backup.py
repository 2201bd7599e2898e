"""Whatever is state, part by part, as a backup takes it and puts it back; and the backups of a process that serves."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

# What is copied, how much of it is done, of how much.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Member:
    """A piece of a part: some megabytes at most. `name` is a path below the part's own, `a/b.json`."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class BackupHead:
    """What a backup says of itself before all else: `about` is each part's own, by its name. `made_at`: seconds since 1970."""

    tandem: str
    made_at: float
    about: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class BackupTold:
    """What a whole backup holds; `counts` by part, and by what is counted there."""

    head: BackupHead
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class Part(Protocol):
    """One kind of state. Every call may raise `UpstreamUnavailable`, `StoreBusy`, `StoreFull` and `ConfigurationError`."""

    @property
    def name(self) -> str:
        """Its folder in the backup."""
        ...

    async def about(self) -> Mapping[str, Any] | None:
        """What must be known before it is put back, as JSON; None where there is nothing of this kind."""
        ...

    def taken(self, tell: Tell, counts: dict[str, int]) -> AsyncIterator[Member]:
        """All of it, after `about`. `counts` is filled on the way."""
        ...

    async def fits(self, about: Mapping[str, Any]) -> None:
        """Raises `ConfigurationError` or `StoreMismatch` for what was made by a newer Tandem, or could not be used here."""
        ...

    async def held(self) -> str | None:
        """What is here already and would be lost, for people; None when there is nothing."""
        ...

    async def put_back(self, members: AsyncIterator[Member], tell: Tell, about: Mapping[str, Any]) -> None:
        """In place of what is here. Raises `InvalidRequest` for what is damaged."""
        ...


class Backups(Protocol):
    """Of what one process holds."""

    def taken(self) -> AsyncIterator[bytes]:
        """A backup, piece by piece."""
        ...

    async def restored(self, content: AsyncIterator[bytes], *, replace: bool) -> BackupTold:
        """Raises `InvalidRequest` for what is damaged, and where something is held that is not to be replaced."""
        ...
