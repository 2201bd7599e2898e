"""Which version each collection's name stands for on a Qdrant server: its own aliases, changed in one call."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qdrant_client import models

from tandem.adapters.qdrant.connection import Connection
from tandem.adapters.qdrant.pointers import check_serving
from tandem.adapters.qdrant.translation import translated
from tandem.domain.errors import TandemError, UpstreamUnavailable
from tandem.domain.lineage import base_of, number_of, valid_base, version_named

# Beside `docs` there is `docs@serving.3`. Renaming it is what fails when somebody else was faster, and before anything else
# is changed; where a collection from before there were versions still has the name `docs`, it is the only alias.
_TOKEN = "@serving."  # noqa: S105 - no secret
_KEPT_S = 1.0
# A search has no time to wait longer for what hardly ever changes.
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """All aliases of the server, and since when they are known."""

    at_s: float
    targets: Mapping[str, str]

    def token(self, base: str) -> str | None:
        return next((alias for alias in self.targets if alias.startswith(base + _TOKEN)), None)

    def serving(self) -> dict[str, str]:
        tokens = {alias.partition(_TOKEN)[0]: target for alias, target in self.targets.items() if _TOKEN in alias}
        plain = {alias: target for alias, target in self.targets.items() if valid_base(alias)}
        return {base: _version(target) for base, target in (tokens | plain).items() if base_of(target) == base}


class ServerAliases:
    """What others changed is seen after a second; what was changed here, at once."""

    def __init__(self, connection: Connection, now_s: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._now_s = now_s
        self._seen = _Seen(float("-inf"), {})
        self._looking = asyncio.Lock()

    async def serving(self, *, fresh: bool = False) -> Mapping[str, str]:
        """Version by collection."""
        if not fresh and self._young():
            return self._seen.serving()
        async with self._looking:
            # Who waited while another one looked has what that one saw.
            if fresh or not self._young():
                await self._look(None if fresh else _PATIENCE_S)
        return self._seen.serving()

    async def physical(self, version: str) -> str:
        """The collection's name on the server: another one for what is older than versions."""
        if version not in self._seen.targets:
            await self.serving(fresh=True)
        return self._seen.targets.get(version, version)

    async def adopt(self, base: str) -> None:
        """The collection of this name is from before there were versions: let it be the first one, and serve."""
        version = version_named(base, 1)
        await self._change([_alias(version, base), _alias(_token(base, version), base)])

    async def point(self, base: str, version: str, instead_of: str | None) -> None:
        """See `Engine`."""
        found = await self.serving(fresh=True)
        check_serving(base, found.get(base), instead_of)
        target, token, wanted = await self.physical(version), self._seen.token(base), _token(base, version)
        changes: list[models.AliasOperations] = []
        if token is not None and token != wanted:
            renaming = models.RenameAlias(old_alias_name=token, new_alias_name=wanted)
            changes.append(models.RenameAliasOperation(rename_alias=renaming))
        changes.append(_alias(wanted, target))
        if not await self._taken(base):
            changes.append(_alias(base, target))
        try:
            await self._change(changes)
        except TandemError:
            check_serving(base, (await self.serving(fresh=True)).get(base), instead_of)
            raise

    async def withdraw(self, base: str) -> None:
        """See `Engine`."""
        await self.serving(fresh=True)
        gone = [alias for alias in self._seen.targets if alias == base or alias.startswith(base + _TOKEN)]
        await self._change(
            [models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=each)) for each in gone]
        )

    def forget(self) -> None:
        """Something was changed that aliases go with."""
        self._seen = _Seen(float("-inf"), self._seen.targets)

    def _young(self) -> bool:
        return self._now_s() - self._seen.at_s < _KEPT_S

    async def _look(self, within_s: float | None) -> None:
        at_s = self._now_s()
        try:
            found = await self._connection.read(lambda client: client.get_aliases(), within_s=within_s)
        except UpstreamUnavailable:
            # What was known last is still the best guess; whether the server is away, the search will tell.
            if within_s is None or not self._seen.targets:
                raise
            return
        self._seen = _Seen(at_s, {each.alias_name: each.collection_name for each in found.aliases})

    async def _change(self, changes: Sequence[models.AliasOperations]) -> None:
        if changes:
            try:
                async with translated():
                    await self._connection.kept.update_collection_aliases(list(changes))
            finally:
                self.forget()

    async def _taken(self, base: str) -> bool:
        listed = await self._connection.read(lambda client: client.get_collections())
        return any(each.name == base for each in listed.collections)


def _version(collection: str) -> str:
    return version_named(collection, 1) if valid_base(collection) else collection


def _token(base: str, version: str) -> str:
    return f"{base}{_TOKEN}{number_of(version)}"


def _alias(name: str, target: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=target, alias_name=name))
