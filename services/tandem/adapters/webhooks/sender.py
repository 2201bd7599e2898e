"""Signed POSTs in the manner of Standard Webhooks, to public addresses only unless the operator allows others."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import yarl
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from tandem.domain.errors import Overloaded, PermissionDenied, UpstreamUnavailable
from tandem.ports.clock import Clock
from tandem.ports.webhook import Message

_CONNECT_S = 5.0
_LONGEST_RETRY_AFTER_S = 6 * 3600.0
Addresses = Callable[[str, int], Sequence[str]]


class Forbidden(OSError):
    """A name leads to an address that may not be called. An `OSError`, since that is what a resolver may raise."""


class PublicResolver(AbstractResolver):
    """Looks a name up once, and hands on the addresses that may be called: what was checked is what is connected to.

    The connector asks no resolver about an address in the URL itself: that is checked before.
    """

    def __init__(self, *, allow_private: bool, addresses: Addresses | None = None) -> None:
        self._allow_private = allow_private
        self._addresses = addresses or _system

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises `Forbidden` when any of the name's addresses may not be called, `OSError` when there is none."""
        del family
        found = await asyncio.to_thread(self._addresses, host, port)
        for address in found:
            if not self._allow_private and not public(address):
                raise Forbidden(f"{host} leads to a private address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class WebhookSender:
    """`ports/webhook.py` over aiohttp. Redirects are not followed: they could lead anywhere."""

    def __init__(
        self, session: aiohttp.ClientSession, secret_of: Callable[[str], bytes], clock: Clock, *, allow_private: bool
    ) -> None:
        self._session = session
        self._secret_of = secret_of
        self._clock = clock
        self._allow_private = allow_private

    async def send(self, message: Message) -> None:
        """See the port."""
        url = checked(message.url, allow_private=self._allow_private)
        headers = {
            "content-type": "application/json",
            "user-agent": "tandem-webhooks",
            **signed(message, self._secret_of(message.tenant), int(self._clock.epoch_s())),
        }
        try:
            async with self._session.post(url, data=message.body, headers=headers, allow_redirects=False) as reply:
                _check(reply.status, reply.headers.get("retry-after"))
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, Forbidden):
                raise PermissionDenied(f"It may not be called: {error.os_error}.") from error
            raise UpstreamUnavailable(f"Its name is not known: {url.host}.") from error
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, Forbidden):
                raise PermissionDenied(f"It may not be called: {error.os_error}.") from error
            raise UpstreamUnavailable(f"It cannot be reached: {error}.") from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UpstreamUnavailable(f"It cannot be reached: {str(error) or type(error).__name__}.") from error


def signed(message: Message, secret: bytes, at: int) -> dict[str, str]:
    """The headers of Standard Webhooks 1.0: HMAC-SHA256 over id, time and body, in base64."""
    content = f"{message.id}.{at}.".encode() + message.body
    signature = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    return {"webhook-id": message.id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def checked(url: str, *, allow_private: bool) -> yarl.URL:
    """The URL as it is going to be called. Raises `PermissionDenied` where its host is a private address, or for none of http.

    The host is looked at as the client will: other readers of URLs take `169.254.169。254` for a name.
    """
    try:
        parsed = yarl.URL(url)
        host = (parsed.raw_host or "").rstrip(".").lower()
    except ValueError as error:
        raise PermissionDenied("The callback's URL is none.") from error
    if parsed.scheme not in ("http", "https") or not host or parsed.user is not None or parsed.password is not None:
        raise PermissionDenied("The callback's URL is none of http.")
    if allow_private:
        return parsed
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise PermissionDenied(f"{host} is no public name.", hint="jobs.webhooks.allow_private allows it.")
    address = _literal(host)
    if address is not None and not public(address):
        raise PermissionDenied(f"{host} is no public address.", hint="jobs.webhooks.allow_private allows it.")
    return parsed


def public(address: str) -> bool:
    """False for loopback, private, link-local, shared, reserved and multicast addresses, also where IPv6 wraps them."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and any(found in network for network in _WRAPPING):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return public(str(inner))
        # Not every Python that we run on knows the second one.
        if found.is_site_local or found in _NAT64_INSIDE:
            return False
    return found.is_global and not found.is_multicast


# NAT64, IPv4-compatible, and IPv4-translated addresses.
_WRAPPING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")))
# A network's own NAT64 (RFC 8215): where the IPv4 address stands in it is that network's choice.
_NAT64_INSIDE = ipaddress.IPv6Network("64:ff9b:1::/48")


@asynccontextmanager
async def webhook_sender(
    secret_of: Callable[[str], bytes],
    clock: Clock,
    *,
    timeout_s: float,
    allow_private: bool,
    addresses: Addresses | None = None,
) -> AsyncIterator[WebhookSender]:
    """Connections are not kept: there are few messages, and their receivers are many."""
    connector = aiohttp.TCPConnector(
        resolver=PublicResolver(allow_private=allow_private, addresses=addresses),
        # The last look before a connection, whatever took a URL for what on the way here.
        socket_factory=partial(_socket, allow_private=allow_private),
        force_close=True,
        use_dns_cache=False,
    )
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        yield WebhookSender(session, secret_of, clock, allow_private=allow_private)


def _socket(found: AddrInfoType, *, allow_private: bool) -> socket.socket:
    family, kind, protocol, _, address = found
    if not allow_private and not public(str(address[0])):
        raise Forbidden(f"{address[0]} is a private address")
    return socket.socket(family, kind, protocol)


def _check(status: int, retry_after: str | None) -> None:
    if 200 <= status < 300:
        return
    if status in (429, 503):
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
        raise Overloaded(f"It answered {status}.", retry_after_s=min(wait_s, _LONGEST_RETRY_AFTER_S))
    raise UpstreamUnavailable(f"It answered {status}.")


def _literal(host: str) -> str | None:
    """The address that the host is, also in the old ways of writing one that systems still read (0x7f.1, 2130706433)."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _system(host: str, port: int) -> Sequence[str]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(address[0]) for *_, address in rows]
