"""A process that shares its models with none that it knows of."""

from collections.abc import Mapping

from tandem.ports.demand import SharedDemand, Told


class _Alone:
    async def tell(self, process: str, told: Told) -> None:
        """To nobody."""

    async def all(self) -> Mapping[str, Told]:
        """Nobody tells anything."""
        return {}

    async def drop(self, process: str) -> None:
        """Nothing is there."""


ALONE: SharedDemand = _Alone()
