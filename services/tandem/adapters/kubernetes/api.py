"""Calls to the API server around this pod, with the account that the pod was given."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tandem.domain.errors import ConfigurationError, UpstreamFailed, UpstreamUnavailable

# Every certificate of an API server has this name, and every pod may look it up.
SERVER = "https://kubernetes.default.svc"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S = 10.0
# These pass by themselves, or when somebody has set rights or quotas right.
_LATER = frozenset({401, 403, 408, 409, 429})
_NO_ACCOUNT = "The chart gives one to who makes Jobs: with batch.enabled, or existingSecrets.follow."


class ApiServer:
    """JSON by path. The official client was weighed: it would add 75 MB to the image, and is made for threads."""

    def __init__(self, http: aiohttp.ClientSession, server: str, token: Path) -> None:
        self._http = http
        self._server = server
        self._token = token

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, passing: Collection[int] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of a success, or of a status in `passing`.

        Raises `UpstreamUnavailable` for what may pass, and `UpstreamFailed` for the rest.
        """
        headers = {"authorization": f"Bearer {await self._shown()}", "content-type": "application/json"}
        data = None if body is None else orjson.dumps(body)
        try:
            async with self._http.request(
                method, f"{self._server}{path}", data=data, headers=headers, allow_redirects=False
            ) as reply:
                status, said = reply.status, await reply.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise UpstreamUnavailable(f"No Kubernetes API server answers at {self._server}: {reason}") from error
        found = _read(said)
        if status // 100 == 2 or status in passing:
            return status, found
        message = f"{method} {path} was answered {status}: {found.get('message') or 'no reason was given'}"
        if status in _LATER or status >= 500:
            hint = "The chart gives the account its rights over Jobs: helm upgrade." if status == 403 else None
            raise UpstreamUnavailable(message, hint=hint)
        raise UpstreamFailed(message)

    async def _shown(self) -> str:
        """Read each time: the kubelet replaces the token while the pod lives."""
        try:
            return (await asyncio.to_thread(self._token.read_text, "ascii")).strip()
        except (OSError, ValueError) as error:
            raise UpstreamUnavailable(f"The token of this pod cannot be read: {error}", hint=_NO_ACCOUNT) from error


@asynccontextmanager
async def api_server(server: str = SERVER, account: Path = ACCOUNT) -> AsyncIterator[ApiServer]:
    """The one around this pod. Raises `ConfigurationError` where the pod has no account to ask it with."""
    token, authority = account / "token", account / "ca.crt"
    if not token.is_file():
        raise ConfigurationError(f"There is no token at {token} to ask Kubernetes with.", hint=_NO_ACCOUNT)
    try:
        trusted = ssl.create_default_context(cafile=authority) if server.startswith("https:") else True
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"The certificates in {authority} cannot be read: {error}.") from error
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=4, ssl=trusted),
        headers={"user-agent": "tandem", "accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
    ) as http:
        yield ApiServer(http, server, token)


def _read(body: bytes) -> dict[str, Any]:
    """What is no object tells nothing: a proxy's page, say."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
