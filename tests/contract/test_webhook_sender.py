"""Messages are signed as their receivers check them, and go to nobody who must not be called."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Self

import pytest
from aiohttp import web

from tandem.adapters.scripted.clock import ScriptedClock
from tandem.adapters.webhooks.sender import checked, public, webhook_sender
from tandem.app.jobs import JobWebhooks, secret_of, shown
from tandem.domain.errors import Overloaded, PermissionDenied, UpstreamUnavailable
from tandem.ports.webhook import Message

BODY = b'{"type":"job.succeeded"}'
SECRET = b"a-secret-of-the-tenant-acme"


class Receiver:
    """Somebody's server: what it got, and what it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers=self.headers)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self.take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def send(url: str, *, allow_private: bool = True, addresses: Any = None) -> None:
    async with webhook_sender(
        lambda tenant: SECRET if tenant == "acme" else b"",
        ScriptedClock(epoch_s=1_700_000_000.0),
        timeout_s=2.0,
        allow_private=allow_private,
        addresses=addresses,
    ) as sender:
        await sender.send(Message("msg_1", "acme", url, BODY))


async def test_a_message_is_signed_over_id_time_and_body() -> None:
    async with Receiver() as receiver:
        await send(receiver.url)
    ((headers, body),) = receiver.got
    assert body == BODY
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_1", "1700000000")
    wanted = hmac.new(SECRET, b"msg_1.1700000000." + BODY, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(wanted).decode()


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 502])
async def test_whoever_does_not_take_it_is_asked_again_later_and_not_followed(status: int) -> None:
    async with Receiver() as receiver:
        receiver.status, receiver.headers = status, {"location": receiver.url}
        with pytest.raises(UpstreamUnavailable, match=str(status)):
            await send(receiver.url)
    assert len(receiver.got) == 1


@pytest.mark.parametrize(("told", "heeded"), [("120", 120.0), ("soon", 0.0), ("99999999", 21_600.0)])
async def test_whoever_asks_for_patience_gets_it(told: str, heeded: float) -> None:
    async with Receiver() as receiver:
        receiver.status, receiver.headers = 429, {"retry-after": told}
        with pytest.raises(Overloaded) as refused:
            await send(receiver.url)
    assert refused.value.retry_after_s == heeded


async def test_nobody_there_is_told() -> None:
    with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
        await send("http://127.0.0.1:9/hook")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/x",
        "http://127.0.0.1/x",
        "http://127.1/x",
        "http://0x7f.1/x",
        "http://2130706433/x",
        "http://0.0.0.0/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://172.16.5.4/x",
        "http://192.168.1.1/x",
        "http://100.64.0.1/x",
        "http://224.0.0.1/x",
        "http://[::1]/x",
        "http://[fe80::1%25eth0]/x",
        "http://[fd00::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[2002:7f00:1::]/x",
        "http://[64:ff9b::a9fe:a9fe]/x",
        "http://[64:ff9b:1::a9fe:a9fe]/x",
        "http://metadata.google.internal/x",
        "http://169.254.169。254/latest/",
        "http://１２７.０.０.１:8080/x",
        "http://①②⑦.⓪.⓪.①/x",
        "http://127.0.0.1./x",
        "http://[::7f00:1]/x",
        "http://[fec0::1]/x",
        "http://user@example.com/x",
        "http://printer.local/x",
        "ftp://example.com/x",
        "http:///x",
    ],
)
async def test_what_is_not_public_is_never_called(url: str) -> None:
    with pytest.raises(PermissionDenied):
        checked(url, allow_private=False)
    with pytest.raises(PermissionDenied):
        await send(url, allow_private=False)


async def test_a_name_that_leads_inside_is_not_called_either() -> None:
    async with Receiver() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]

        def rebound(host: str, _: int) -> Sequence[str]:
            assert host == "public.example.com"
            return ["93.184.216.34", "127.0.0.1"]

        with pytest.raises(PermissionDenied, match="private"):
            await send(f"http://public.example.com:{port}/hook", allow_private=False, addresses=rebound)
    assert receiver.got == []


async def test_what_was_looked_up_is_what_is_called() -> None:
    looks: list[str] = []

    async with Receiver() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]

        def once(host: str, _: int) -> Sequence[str]:
            looks.append(host)
            return ["127.0.0.1"]

        await send(f"http://hooks.example.com:{port}/hook", addresses=once)
    assert looks == ["hooks.example.com"]
    assert receiver.got[0][0]["Host"] == f"hooks.example.com:{port}"


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses_are_known(address: str) -> None:
    assert public(address)


def test_each_tenant_signs_with_a_secret_of_its_own() -> None:
    chosen = JobWebhooks(secret="0123456789abcdef0123456789abcdef")  # type: ignore[arg-type]
    assert secret_of(chosen, "acme") != secret_of(chosen, "other")
    assert shown(secret_of(chosen, "acme")).startswith("whsec_")
    with pytest.raises(ValueError, match="not set"):
        secret_of(JobWebhooks(), "acme")
