"""What is wrong with a collection's name."""

from tandem.domain.errors import InvalidRequest, UnknownCollection
from tandem.domain.lineage import valid_base


def unknown(name: str) -> UnknownCollection:
    """The error of a collection that does not exist."""
    return UnknownCollection(
        f"There is no collection {name[:80]!r}.",
        hint="`tandem collections list` shows those there are.",
        param="collection",
    )


def checked(base: str) -> str:
    """The name itself; it is also a folder's. Raises `InvalidRequest` for one that cannot be one."""
    if valid_base(base):
        return base
    raise InvalidRequest(
        f"{base[:80]!r} cannot name a collection.",
        hint="Use up to 63 lower-case letters, digits, hyphens and underscores.",
        param="collection",
    )
