"""Copies of records in files, as far as they must be deleted and told of."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol


class Archive(Protocol):
    """Every method may raise `UpstreamUnavailable`; called again, it goes on with what is left."""

    async def tenants(self) -> tuple[str, ...]:
        """Those that have files."""
        ...

    async def drop(self, tenant: str, before: date) -> int:
        """Delete the tenant's days before that one (UTC); how many files those were."""
        ...

    async def forget(self, users: Sequence[str], tenant: str | None = None) -> int:
        """Delete what these users asked, by their names as kept (of one tenant, or of all); how many answers those were."""
        ...

    async def export(self, users: Sequence[str], tenant: str | None = None) -> list[dict[str, Any]]:
        """The same as plain values."""
        ...
