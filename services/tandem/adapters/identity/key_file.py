"""API keys in a file of their own, taken over when it changes: no restart to give a key or to take one back.

The file is looked at rather than watched by the kernel: a mounted Kubernetes Secret changes by a link that is put in the
place of another, on file systems that tell nobody.
"""

import asyncio
import logging
from pathlib import Path
from typing import Annotated, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tandem.admission.keys import Key, KeyRing
from tandem.domain.errors import ConfigurationError
from tandem.domain.groups import EVERY_GROUP, groups_fault

_log = logging.getLogger("tandem.auth")
_MAX_BYTES = 10_000_000

Stamp = tuple[int, int, int] | None


class KeyFileMeter(Protocol):
    """Where the file's state is shown; `observe/metrics.py` is one."""

    def keys_file(self, *, good: bool) -> None:
        """The file as it stands is in force, or it is broken and the keys before it are."""
        ...


class _WireKey(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    tenant: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")] = "default"
    peer: bool = False
    groups: list[str] = []
    admin: bool = False

    @field_validator("groups")
    @classmethod
    def _groups(cls, names: list[str]) -> list[str]:
        if fault := groups_fault(name for name in names if name != EVERY_GROUP):
            raise ValueError(fault)
        return names


class _WireKeys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keys: list[_WireKey]


class KeyFile:
    """`path` holds `keys:` as the configuration does, in YAML or JSON; its keys go into `ring`."""

    def __init__(self, path: Path, ring: KeyRing, meter: KeyFileMeter, *, poll_s: float = 2.0) -> None:
        self._path = path
        self._ring = ring
        self._meter = meter
        self._poll_s = poll_s
        self._seen: Stamp = None

    async def load(self) -> None:
        """Take the file's keys over. Raises `ConfigurationError` when they cannot be read, and then changes nothing."""
        self._seen, keys = await asyncio.to_thread(_read, self._path)
        self._ring.exchange(keys)
        self._meter.keys_file(good=True)

    async def watch(self) -> None:
        """Take the file over whenever it changes. Runs beside the server for as long as it serves."""
        while True:
            await asyncio.sleep(self._poll_s)
            seen = await asyncio.to_thread(_stamp, self._path)
            if seen == self._seen:
                continue
            try:
                await self.load()
            except ConfigurationError as error:
                # Seen, and told of once: it is read again when it changes again.
                self._seen = seen
                self._meter.keys_file(good=False)
                _log.error("%s The keys before it stay in force.", error.message)
            else:
                _log.info("the keys file was read again")


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read(path: Path) -> tuple[Stamp, list[Key]]:
    # The stamp comes first: what is written while we read has another one, and is read at the next look.
    stamp = _stamp(path)
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigurationError(f"The keys file {path} has more than {_MAX_BYTES} bytes.")
        read = _WireKeys.model_validate(yaml.safe_load(content))
    except OSError as error:
        raise ConfigurationError(f"The keys file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The keys file {path} is neither YAML nor JSON.") from error
    except ValidationError as error:
        # Pydantic's own text would show what stood there, which may be a key.
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"The keys file {path} is not valid: {faults}.") from error
    return stamp, [
        Key(key.name, key.sha256, key.tenant, peer=key.peer, groups=tuple(key.groups), admin=key.admin)
        for key in read.keys
    ]
