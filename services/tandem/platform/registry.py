"""Whether a registry has an image, asked from here without credentials, as any client asks."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

_TIMEOUT_S = 5.0
_DOCKER = "docker.io"
_LOCAL = ("localhost", "127.0.0.1")
_ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
_PART = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Image:
    """A reference taken apart; `reference` is the digest where there is one, else the tag."""

    registry: str
    repository: str
    reference: str


def parsed(image: str) -> Image:
    """As containerd reads it: without a registry it is Docker's, without a tag the latest."""
    name, _, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    registry, name = (first, rest) if slash and (set(".:") & set(first) or first == "localhost") else (_DOCKER, name)
    repository, _, tag = name.partition(":")
    if registry == _DOCKER and "/" not in repository:
        repository = f"library/{repository}"
    return Image(registry, repository, digest or tag or "latest")


def answers(images: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Each image with `ok`, `absent`, `denied` or `unreachable`, and its registry. One that does not answer is asked once."""
    away: set[str] = set()
    with urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False) as http:
        for image in images:
            wanted = parsed(image)
            outcome = "unreachable" if wanted.registry in away else _asked(http, wanted)
            if outcome == "unreachable":
                away.add(wanted.registry)
            yield image, outcome, wanted.registry


def _asked(http: urllib3.PoolManager, image: Image) -> str:
    scheme = "http" if image.registry.partition(":")[0] in _LOCAL else "https"
    host = "registry-1.docker.io" if image.registry == _DOCKER else image.registry
    url = f"{scheme}://{host}/v2/{image.repository}/manifests/{image.reference}"
    try:
        answer = http.request("HEAD", url, headers={"accept": _ACCEPT})
        if answer.status == 401 and (token := _token(http, image, answer.headers.get("www-authenticate", ""))):
            answer = http.request("HEAD", url, headers={"accept": _ACCEPT, "authorization": f"Bearer {token}"})
    except (HTTPError, ValueError):
        return "unreachable"
    return {200: "ok", 401: "denied", 403: "denied", 404: "absent"}.get(answer.status, "unreachable")


def _token(http: urllib3.PoolManager, image: Image, challenge: str) -> str:
    """Public images are read with a token that anybody gets."""
    said = dict(_PART.findall(challenge))
    if not said.get("realm"):
        return ""
    query = urlencode({"service": said.get("service", ""), "scope": f"repository:{image.repository}:pull"})
    answer = http.request("GET", f"{said['realm']}?{query}")
    found = answer.json() if answer.status == 200 else {}
    return str(found.get("token") or found.get("access_token") or "")
