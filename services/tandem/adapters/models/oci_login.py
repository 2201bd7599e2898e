"""Logins as `docker login` keeps them: in a config.json, or with the program that it names."""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem.adapters.models.oci_registry import Image, Login
from tandem.domain.errors import ConfigurationError

_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_S = 30.0
# What a helper says as user when its secret is no password.
_TOKEN_USER = "<token>"  # noqa: S105


async def login_of(image: Image, config: Path | None) -> Login | None:
    """For its registry; None where nobody has logged in. `config` None: ~/.docker/config.json, where there is one.

    Raises `ConfigurationError` for a file or a helper that does not work.
    """
    told = await asyncio.to_thread(_read, config)
    wanted = [image.name, *_above(image.name)]
    keys = {_bare(key): key for key in told.get("auths") or {}}
    helpers = {_bare(key): name for key, name in (told.get("credHelpers") or {}).items()}
    helper = helpers.get(image.registry) or told.get("credsStore")
    if helper:
        return await _asked(str(helper), _HUB_KEY if image.registry == _HUB else image.registry)
    # Podman keeps some for a part of a registry: the nearest one counts.
    key = next((keys[each] for each in wanted if each in keys), None)
    return None if key is None else _login(told["auths"][key], key)


def _read(config: Path | None) -> Mapping[str, Any]:
    path = (config or Path("~/.docker/config.json")).expanduser()
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        if config is None:
            return {}
        raise ConfigurationError(f"There is no file {path}.", hint="Set models.NAME.docker_config to one.") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", hint="docker login writes it anew.") from error
    if not isinstance(told, dict):
        raise ConfigurationError(f"{path} is no configuration of Docker.", hint="docker login writes it anew.")
    return told


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


def _bare(key: str) -> str:
    """Keys are names of registries, or addresses."""
    found = key.partition("://")[2] or key
    found = found.rstrip("/").removesuffix("/v1").removesuffix("/v2")
    return _HUB if found in {"index.docker.io", "registry-1.docker.io"} else found


def _login(told: Mapping[str, Any], key: str) -> Login | None:
    if told.get("identitytoken"):
        return Login("", identity_token=str(told["identitytoken"]))
    if told.get("username"):
        return Login(str(told["username"]), str(told.get("password") or ""))
    try:
        user, _, password = base64.b64decode(str(told.get("auth") or ""), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The login for {key} cannot be read.", hint=f"docker login {key}") from error
    return Login(user, password) if user else None


async def _asked(helper: str, registry: str) -> Login | None:
    """None: it knows none. Its errors go to stdout, too."""
    program = f"docker-credential-{helper}"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise ConfigurationError(
            f"Docker's configuration names {program}, which cannot be started: {error.strerror}.",
            hint="Put it on PATH, or name another file in models.NAME.docker_config.",
        ) from error
    try:
        out, _ = await asyncio.wait_for(process.communicate(registry.encode()), _HELPER_S)
    except TimeoutError as error:
        process.kill()
        raise ConfigurationError(f"{program} does not answer.", hint="Try it by hand.") from error
    if process.returncode:
        return None
    try:
        told = json.loads(out)
        user, secret = str(told["Username"]), str(told["Secret"])
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{program} does not answer as a helper does.", hint="Try it by hand.") from error
    return Login("", identity_token=secret) if user == _TOKEN_USER else Login(user, secret)
