"""What processes want of the pools, in memory: for processes that are one."""

from collections.abc import Mapping

from tandem.domain.errors import UpstreamUnavailable
from tandem.ports.demand import Told


class ScriptedDemand:
    """`ports/demand.py`; while `away` nothing can be told or seen."""

    def __init__(self) -> None:
        self.rows: dict[str, Told] = {}
        self.away = False

    async def tell(self, process: str, told: Told) -> None:
        """Kept."""
        self._reach()
        self.rows[process] = told

    async def all(self) -> Mapping[str, Told]:
        """All of them."""
        self._reach()
        return dict(self.rows)

    async def drop(self, process: str) -> None:
        """Gone."""
        self._reach()
        self.rows.pop(process, None)

    def _reach(self) -> None:
        if self.away:
            raise UpstreamUnavailable("The store is away.", stage="state")
