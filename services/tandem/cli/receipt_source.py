"""Where a command's receipts are: behind a running Tandem, or in the store that the configuration names."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ValidationError

from tandem.adapters.remote.failures import failure
from tandem.app.kept import anything_kept, stores
from tandem.app.serving import running_on
from tandem.app.settings import Settings, load_settings
from tandem.cli.options import DEFAULT_URL
from tandem.domain.errors import InvalidRequest, UpstreamFailed, UpstreamUnavailable
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.reader import Reader
from tandem.http.wire.receipts import WireReceipt, WireReceipts, receipt_cursor
from tandem.http.wire.receipts_told import wire_receipt, wire_receipts
from tandem.pipeline.in_flight import InFlight
from tandem.pipeline.receipts import ReadReceipts
from tandem.ports.receipts import ReceiptFilter

T = TypeVar("T", bound=BaseModel)
_ANSWER_S = 300.0


class ReceiptSource(Protocol):
    """Receipts as somebody may see them."""

    async def receipt(self, receipt_id: str) -> WireReceipt:
        """Raises `UnknownReceipt`."""
        ...

    async def page(self, wanted: ReceiptFilter, *, limit: int, after: str | None) -> WireReceipts:
        """Newest first."""
        ...


class StoredReceiptSource:
    """The store itself: who can open it can read it all."""

    def __init__(self, reading: ReadReceipts, tenant: str) -> None:
        self._reading = reading
        self._reader = Reader(tenant, groups=(EVERY_GROUP,), admin=True)

    async def receipt(self, receipt_id: str) -> WireReceipt:
        """Of this tenant."""
        return wire_receipt(await self._reading.receipt(receipt_id, self._reader))

    async def page(self, wanted: ReceiptFilter, *, limit: int, after: str | None) -> WireReceipts:
        """Of this tenant."""
        behind = receipt_cursor(after)
        return wire_receipts(await self._reading.listing(wanted, self._reader, limit=limit, after=behind))


class ServedReceiptSource:
    """A running Tandem, as its caller sees receipts; it can also be asked."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def receipt(self, receipt_id: str) -> WireReceipt:
        """As it is shown there."""
        return _read(WireReceipt, await self._call("GET", f"/v1/receipts/{quote(receipt_id, safe='')}"))

    async def page(self, wanted: ReceiptFilter, *, limit: int, after: str | None) -> WireReceipts:
        """As it is listed there."""
        said = {name: getattr(wanted, name) for name in ReceiptFilter.__dataclass_fields__}
        query = {
            name: str(value) for name, value in {**said, "limit": limit, "after": after}.items() if value is not None
        }
        return _read(WireReceipts, await self._call("GET", "/v1/receipts", query))

    async def ask(self, body: Mapping[str, Any]) -> str:
        """The id of the new answer's receipt."""
        told = _read(_Asked, await self._call("POST", "/v1/chat/completions", body=body))
        return told.tandem.receipt_id

    async def _call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> bytes:
        try:
            async with self._session.request(method, self._url + path, params=query, json=body) as reply:
                content = await reply.read()
                if reply.status != 200:
                    raise failure(reply.status, content, reply.headers.get("retry-after"))
                return content
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamUnavailable(
                f"No Tandem answers at {self._url}: {str(error) or type(error).__name__}.",
                hint="Start one with scripts/run (or tandem serve), or name it with --url.",
            ) from error


class _Told(BaseModel):
    receipt_id: str


class _Asked(BaseModel):
    tandem: _Told


def _read(shape: type[T], body: bytes) -> T:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise UpstreamFailed("The answer cannot be read.", hint="Is it a Tandem of this version?") from error


@asynccontextmanager
async def receipt_source(
    config: Path | None, data_dir: Path | None, url: str | None, api_key: str | None, tenant: str
) -> AsyncIterator[ReceiptSource]:
    """A running Tandem by its URL, else the store of the configuration. Raises `ConfigurationError`, `InvalidRequest`."""
    if url is not None:
        async with served(url, api_key) as running:
            yield running
        return
    settings = _settings(config, data_dir)
    if not anything_kept(settings):
        raise InvalidRequest(
            f"There are no receipts under {settings.data_dir}.", hint="Name a running Tandem with --url, or --data-dir."
        )
    async with stores(settings) as opened:
        yield StoredReceiptSource(ReadReceipts(opened.receipts, InFlight(), feedback=opened.feedback), tenant)


@asynccontextmanager
async def served(url: str, api_key: str | None) -> AsyncIterator[ServedReceiptSource]:
    """A running Tandem."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S, sock_connect=5)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        yield ServedReceiptSource(session, url)


def url_to_ask(config: Path | None, data_dir: Path | None, url: str | None) -> str:
    """The one that was named, else of the process that serves this data, else the usual one."""
    return url or running_on(_settings(config, data_dir).data_dir) or DEFAULT_URL


def _settings(config: Path | None, data_dir: Path | None) -> Settings:
    return load_settings(config, data_dir=data_dir)
