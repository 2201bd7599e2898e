"""Which tenants have series of their own: a label that no request can make up, and never more than are wanted."""

from collections.abc import Iterable

OTHER = "other"


class Tenants:
    """The first `most` of those that the configuration names, in its order; all others share `other`."""

    def __init__(self, named: Iterable[str], most: int) -> None:
        self._named = frozenset(list(dict.fromkeys(named))[:most])

    def label(self, tenant: str) -> str:
        """Its name, or `other`."""
        return tenant if tenant in self._named else OTHER


NO_TENANTS = Tenants((), 0)
