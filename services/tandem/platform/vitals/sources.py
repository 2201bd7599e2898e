"""Where metrics are read: at one process by its URL, or at every pod of a release through the Kubernetes API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from tandem.domain.errors import ConfigurationError, Unauthenticated, UpstreamFailed, UpstreamUnavailable
from tandem.platform.vitals.scrape import Scrape, read

if TYPE_CHECKING:
    from tandem.platform.cluster import Cluster

_TIMEOUT_S = 5.0
_PORT = 8000
# What runs Tandem and has its metrics; a predictor of another make has its own.
_OURS = frozenset({"gateway", "retriever", "worker"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One process: its name, what it is ready for, and its metrics, None with the `fault` where it told none."""

    name: str
    state: str
    scrape: Scrape | None
    fault: str = ""


class Source(Protocol):
    """Looked at as often as wanted."""

    @property
    def place(self) -> str:
        """For people."""
        ...

    async def look(self) -> list[Seen]:
        """Every process there is now. Raises when nothing there can be asked at all."""
        ...


class OneProcess:
    """At a URL. Raises `UpstreamUnavailable` when nothing answers there, `Unauthenticated` when a key is wanted."""

    def __init__(self, session: aiohttp.ClientSession, url: str, now_s: Callable[[], float]) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._now_s = now_s

    @property
    def place(self) -> str:
        """Its URL."""
        return self._url

    async def look(self) -> list[Seen]:
        """The one."""
        ready_status, ready = await self._get("/readyz")
        status, metrics = await self._get("/metrics")
        if status in (401, 403):
            raise Unauthenticated(f"{self._url} wants a key for its metrics.", hint="Pass --api-key.")
        if status != 200:
            raise UpstreamFailed(f"{self._url}/metrics answered {status}.", hint="Is it a Tandem?")
        scrape = read(metrics.decode(errors="replace"), self._now_s())
        return [Seen(self._url.partition("://")[2], _state(ready, ready_status), scrape)]

    async def _get(self, path: str) -> tuple[int, bytes]:
        try:
            async with self._session.get(self._url + path, allow_redirects=False) as reply:
                return reply.status, await reply.read()
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise UpstreamUnavailable(
                f"No Tandem answers at {self._url}: {' '.join(str(error).split()) or type(error).__name__}.",
                hint="Is it running, and is the URL right?",
            ) from error


class Release:
    """The pods of a Helm release."""

    def __init__(self, cluster: "Cluster", release: str, now_s: Callable[[], float]) -> None:
        self._cluster = cluster
        self._release = release
        self._now_s = now_s

    @property
    def place(self) -> str:
        """Release and namespace."""
        return f"{self._release} in {self._cluster.namespace}"

    async def look(self) -> list[Seen]:
        """Every pod of ours, by name. Raises `ConfigurationError` when there is none."""
        from tandem.platform.cluster import Refused
        from tandem.platform.objects import INSTANCE, component_of

        path = f"/api/v1/namespaces/{self._cluster.namespace}/pods"
        try:
            pods = await asyncio.to_thread(self._cluster.items, path, labelSelector=f"{INSTANCE}={self._release}")
        except Refused as refused:
            raise ConfigurationError(
                f"The pods of {self._cluster.namespace} cannot be read: {refused.message}",
                hint="docs/debugging.md lists the rights that this needs.",
            ) from refused
        ours = [pod for pod in pods if component_of(pod) in _OURS]
        if not ours:
            raise ConfigurationError(
                f"There is no release {self._release} in the namespace {self._cluster.namespace}.",
                hint="Check --release and --namespace; helm list --all-namespaces shows what is installed.",
            )
        seen = await asyncio.gather(*(asyncio.to_thread(self._ask, pod) for pod in ours))
        return sorted(seen, key=lambda each: each.name)

    def _ask(self, pod: Mapping[str, Any]) -> Seen:
        from tandem.platform.cluster import Refused
        from tandem.platform.objects import at, name_of

        name, phase = name_of(pod), str(at(pod, "status", "phase", default="Unknown"))
        if phase != "Running":
            return Seen(name, phase.lower(), None, f"The pod is {phase.lower()}.")
        try:
            ready = self._cluster.ask(self._cluster.namespace, name, _PORT, "/readyz")
            told = self._cluster.ask(self._cluster.namespace, name, _PORT, "/metrics")
        except Refused as refused:
            return Seen(name, "unreachable", None, refused.message)
        state = _state(ready.body.encode(), ready.status)
        if told.status != 200:
            return Seen(name, state, None, f"Its metrics answered {told.status}.")
        return Seen(name, state, read(told.body, self._now_s()))


@asynccontextmanager
async def one_process(url: str, api_key: str | None, now_s: Callable[[], float]) -> AsyncIterator[OneProcess]:
    """Its connections are closed with the context."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        yield OneProcess(session, url, now_s)


def _state(body: bytes, status: int) -> str:
    try:
        return str(json.loads(body).get("status") or status)
    except (ValueError, AttributeError):
        return str(status)
