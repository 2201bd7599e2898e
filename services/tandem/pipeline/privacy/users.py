"""Users' ids as they are kept where texts are not: the same user has the same alias, and nobody can tell who it is."""

from hashlib import blake2b

_PREFIX = "user-"


class Users:
    """Aliases by a secret key. Without one no user is kept: a hash that anybody can make tells who it is of."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def alias(self, tenant: str, user: str) -> str | None:
        """The same for the same key, tenant and user."""
        if self._key is None:
            return None
        hashed = blake2b(f"{tenant}\0{user}".encode("utf-8", "replace"), digest_size=16, key=self._key)
        return f"{_PREFIX}{hashed.hexdigest()}"

    def known_as(self, tenant: str, user: str) -> tuple[str, ...]:
        """All names that the user's traces may be kept under."""
        alias = self.alias(tenant, user)
        return (user,) if alias is None else (user, alias)
