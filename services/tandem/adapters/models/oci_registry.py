"""A registry of images, as its HTTP interface has it: references, tokens, manifests and blobs.

oras-py was weighed: it has no timeouts, sleeps 131 s before it tells that a registry is away, checks no digest, goes on with
no blob that was cut off, and reads no index.
"""

import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import aiohttp

_DOCKER = "docker.io"
_LOCAL = ("localhost", "127.0.0.1")
_CONNECT_S, _ANSWER_S = 5.0, 30.0
_PART = re.compile(r'(\w+)="([^"]*)"')
# A manifest is small: registries take none above this.
_MOST_BYTES = 4 << 20
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True, slots=True)
class Image:
    """A reference taken apart; `reference` is the digest where there is one, else the tag."""

    registry: str
    repository: str
    reference: str

    @property
    def name(self) -> str:
        """Without tag or digest."""
        return f"{self.registry}/{self.repository}"


def parsed(image: str) -> Image:
    """As containerd reads it: without a registry it is Docker's, without a tag the latest."""
    name, _, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    registry, name = (first, rest) if slash and (set(".:") & set(first) or first == "localhost") else (_DOCKER, name)
    repository, _, tag = name.partition(":")
    if registry == _DOCKER and "/" not in repository:
        repository = f"library/{repository}"
    return Image(registry, repository, digest or tag or "latest")


@dataclass(frozen=True, slots=True)
class Login:
    """A password, or what some registries give in its place: a token that others are had for."""

    user: str
    password: str = ""
    identity_token: str = ""

    @property
    def basic(self) -> str:
        """As a header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


# What a proxy says of a server behind it that makes no sense.
_NO_TOKEN = 502


class RegistryRefused(Exception):
    """An answer other than what was asked for: its status, the registry's `code` for it, and its words."""

    def __init__(self, status: int, code: str, said: str) -> None:
        super().__init__(said or f"status {status}")
        self.status = status
        self.code = code


@asynccontextmanager
async def session(answer_s: float = _ANSWER_S) -> AsyncIterator[aiohttp.ClientSession]:
    """No answer waits longer than that. Proxies are those of the environment. A blob is its own bytes: nothing is unpacked on the way."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=answer_s)
    plain = {"accept-encoding": "identity"}
    async with aiohttp.ClientSession(timeout=timeout, headers=plain, trust_env=True, auto_decompress=False) as opened:
        yield opened


class Repository:
    """One repository of a registry. All raise `RegistryRefused`, and aiohttp's errors where nothing answers."""

    def __init__(self, http: aiohttp.ClientSession, image: Image, login: Login | None = None) -> None:
        self._http = http
        self._image = image
        self._login = login
        self._authorization = ""
        scheme = "http" if image.registry.partition(":")[0] in _LOCAL else "https"
        host = "registry-1.docker.io" if image.registry == _DOCKER else image.registry
        self._secure = scheme == "https"
        self._url = f"{scheme}://{host}/v2/{image.repository}"
        self.asked_to_log_in = False

    async def has(self, reference: str) -> None:
        """Whether a manifest is there: raises when not."""
        async with self._open("HEAD", f"manifests/{reference}", {"accept": ", ".join(MANIFESTS)}):
            return

    async def manifest(self, reference: str) -> tuple[str, bytes]:
        """Its digest, and the very bytes that have it."""
        async with self._open("GET", f"manifests/{reference}", {"accept": ", ".join(MANIFESTS)}) as reply:
            content = await reply.content.read(_MOST_BYTES)
            while not reply.content.at_eof() and len(content) < _MOST_BYTES:
                content += await reply.content.read(_MOST_BYTES - len(content))
        return f"sha256:{sha256(content).hexdigest()}", content

    async def tags(self) -> list[str]:
        """Those of the first page, which are enough to choose from."""
        async with self._open("GET", "tags/list", {}) as reply:
            return [str(each) for each in (await reply.json(content_type=None)).get("tags") or ()]

    @asynccontextmanager
    async def blob(self, digest: str, start: int = 0, end: int | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """From byte `start` to before `end` (None: to its end); status 200: the registry sends all of it."""
        wanted = {"range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
        async with self._open("GET", f"blobs/{digest}", wanted) as reply:
            yield reply

    @asynccontextmanager
    async def _open(self, method: str, path: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """With a token, when the registry wants one: an old one may have run out meanwhile."""
        for last in (False, True):
            sent = {**headers, "authorization": self._authorization} if self._authorization else headers
            async with self._http.request(method, f"{self._url}/{path}", headers=sent) as reply:
                challenge = reply.headers.get("www-authenticate", "")
                # Where a registry sends us for a blob nobody is told our password, nor where to send it.
                ours = reply.url.origin() == (*reply.history, reply)[0].url.origin()
                if reply.status == 401 and challenge and ours and not last:
                    self.asked_to_log_in = True
                    self._authorization = await self._authorized(challenge)
                    if self._authorization:
                        continue
                await _checked(reply)
                yield reply
                return

    async def _authorized(self, challenge: str) -> str:
        """What it wants to see; empty where there is nothing to show."""
        if challenge[:6].lower() == "basic ":
            return self._login.basic if self._login else ""
        said = dict(_PART.findall(challenge))
        realm = said.get("realm", "")
        # A password goes over no weaker line than what it is for.
        if not realm.startswith("https://" if self._secure and self._login else ("https://", "http://")):
            return ""
        scope = f"repository:{self._image.repository}:pull"
        wanted = {"service": said.get("service", ""), "scope": scope}
        if self._login and self._login.identity_token:
            form = {
                **wanted,
                "grant_type": "refresh_token",
                "client_id": "tandem",
                "refresh_token": self._login.identity_token,
            }
            # A body, unlike a header, would follow to wherever it is sent on.
            asking = self._http.post(realm, data=form, allow_redirects=False)
        else:
            headers = {"authorization": self._login.basic} if self._login else {}
            asking = self._http.get(realm, params=wanted, headers=headers)
        async with asking as reply:
            await _checked(reply)
            try:
                found: dict[str, Any] = await reply.json(content_type=None)
                token = found.get("token") or found.get("access_token")
            except (ValueError, AttributeError) as error:
                raise RegistryRefused(_NO_TOKEN, "", f"{realm} answers, but with no token") from error
        return f"Bearer {token}" if token else ""


async def _checked(reply: aiohttp.ClientResponse) -> None:
    if reply.status in {200, 206}:
        return
    code, said = "", ""
    try:
        # A registry's `errors`, or what its token server has to say.
        told = await reply.json(content_type=None)
        first = (told.get("errors") or [told])[0]
        code, said = str(first.get("code") or ""), str(first.get("message") or first.get("details") or "")
    except (ValueError, AttributeError, LookupError, TypeError):
        pass
    raise RegistryRefused(reply.status, code, " ".join(said.split())[:200])
