"""POSTs to an OTLP receiver, and what its answers mean."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Literal

import aiohttp

from tandem.domain.errors import ConfigurationError, DocumentRejected, Overloaded, TandemError, UpstreamUnavailable

TRACES = "/v1/traces"
LOGS = "/v1/logs"
METRICS = "/v1/metrics"
_KEPT_S = 30.0
# An answer is a few bytes; of one that is longer, this much is read.
_ANSWER_BYTES = 64 * 1024
_SAID_CHARS = 200
_LONGEST_S = 3600.0
# Sooner there is no use in asking again, whatever the server says.
_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a receiver is: `url` is the base that `/v1/traces` and the like are put behind.

    `headers` go with each request, such as a key; `certificate` is a file of CA certificates instead of the system's.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 10.0
    compression: Literal["gzip", "none"] = "gzip"
    certificate: str | None = None


class Collector:
    """One receiver. Redirects are not followed: they could carry the key, and what was said, to another host."""

    def __init__(self, http: aiohttp.ClientSession, endpoint: Endpoint, now_s: Callable[[], float]) -> None:
        self._http = http
        self._endpoint = endpoint
        self._now_s = now_s

    async def post(self, path: str, body: bytes) -> bytes:
        """The answer's body, once the receiver has taken `body`, an OTLP request in protobuf.

        Raises `UpstreamUnavailable` and `Overloaded` when it may work later, which a wrong key or path is, too, and
        `DocumentRejected` when it will not: `too_large`, or `refused` as malformed.
        """
        headers = {"content-type": "application/x-protobuf"}
        if self._endpoint.compression == "gzip":
            headers["content-encoding"] = "gzip"
            body = await asyncio.to_thread(gzip.compress, body, 3, mtime=0)
        try:
            async with (
                asyncio.timeout(self._endpoint.timeout_s),
                self._http.post(self.url(path), data=body, headers=headers, allow_redirects=False) as reply,
            ):
                said = await reply.content.read(_ANSWER_BYTES)
                if reply.status // 100 != 2:
                    raise self._failure(path, reply, said)
                return said
        except TimeoutError as error:
            raise self._away(path, f"did not answer in {self._endpoint.timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise self._away(path, f"cannot be reached: {str(error) or type(error).__name__}") from error

    def url(self, path: str) -> str:
        """Where a kind of signal goes, also where the endpoint is named with a signal's path behind it."""
        base = self._endpoint.url.rstrip("/")
        for named in (TRACES, LOGS, METRICS):
            base = base.removesuffix(named)
        return f"{base}{path}"

    def _failure(self, path: str, reply: aiohttp.ClientResponse, body: bytes) -> TandemError:
        status, text = reply.status, _said(body)
        what = f"{self.url(path)} answered {status}{f': {text}' if text else ''}"
        again_s = _retry_after_s(reply.headers.get("retry-after"), self._now_s())
        if status == 413:
            return DocumentRejected(f"{what}.", reason="too_large")
        if status in {400, 422}:
            return DocumentRejected(f"{what}.", reason="refused")
        if status == 429:
            return Overloaded(f"{what}.", retry_after_s=max(again_s or _PAUSE_S, _PAUSE_S))
        return UpstreamUnavailable(
            f"{what}.", hint=_HINTS.get(status, _HINTS.get(status // 100)), retry_after_s=again_s
        )

    def _away(self, path: str, what: str) -> TandemError:
        return UpstreamUnavailable(f"{self.url(path)} {what}.", hint="Is the collector running, and is its URL right?")


_HINTS = {
    401: "Set the key that it wants among the headers.",
    403: "Set the key that it wants among the headers.",
    404: "The endpoint is the base URL of OTLP over HTTP, without /v1/traces; gRPC's port 4317 is not it.",
    415: "It takes no OTLP in protobuf over HTTP.",
    3: "It redirects elsewhere; set the endpoint to where it does.",
}


@asynccontextmanager
async def collector(endpoint: Endpoint, now_s: Callable[[], float]) -> AsyncIterator[Collector]:
    """A receiver with connections of its own. `now_s`: seconds since 1970. Raises `ConfigurationError` for a bad file."""
    connector = aiohttp.TCPConnector(limit=4, keepalive_timeout=_KEPT_S, ssl=_trusted(endpoint.certificate))
    async with aiohttp.ClientSession(
        connector=connector,
        headers={**endpoint.headers, "user-agent": "tandem"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as http:
        yield Collector(http, endpoint, now_s)


def _trusted(certificate: str | None) -> ssl.SSLContext | bool:
    if certificate is None:
        return True
    try:
        return ssl.create_default_context(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"The certificates in {certificate} cannot be read: {error}.") from error


def _said(body: bytes) -> str:
    """What an error says of itself, on one line; a protobuf Status reads well enough."""
    text = body.decode("utf-8", "replace")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_SAID_CHARS].rstrip(".")


def _retry_after_s(header: str | None, now_s: float) -> float | None:
    if header is None:
        return None
    try:
        return min(max(float(header), 0.0), _LONGEST_S)
    except ValueError:
        pass
    try:
        return min(max(parsedate_to_datetime(header).timestamp() - now_s, 0.0), _LONGEST_S)
    except (ValueError, OverflowError):
        return None
