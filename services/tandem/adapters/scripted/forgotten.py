"""Notes of who was forgotten, in memory."""

from collections.abc import Sequence

from tandem.ports.forgotten import Forgetting


class ScriptedForgotten:
    """`ports/forgotten.py`. `fault` is raised by every call while it is set."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, str], float] = {}
        self.fault: Exception | None = None

    async def note(self, forgetting: Forgetting) -> None:
        """See the port."""
        self._check()
        for user in forgetting.users:
            key = forgetting.tenant, user
            self._noted[key] = max(forgetting.at, self._noted.get(key, forgetting.at))

    async def all(self) -> Sequence[Forgetting]:
        """See the port."""
        self._check()
        return [Forgetting(tenant, (user,), at) for (tenant, user), at in self._noted.items()]

    async def drop(self, before: float) -> int:
        """See the port."""
        self._check()
        old = [key for key, at in self._noted.items() if at < before]
        for key in old:
            del self._noted[key]
        return len(old)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault
