"""What all requests to one URL have in common: where they go, and the lines of their head that never change."""

import asyncio
from collections.abc import Mapping

import aiohttp
from yarl import URL


class Posting:
    """POSTs of JSON to `url`, over the pool of `http` and with its headers."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._pool = http.connector
        self._request = aiohttp.ClientRequest(
            "POST", URL(url), headers=http.headers, loop=asyncio.get_running_loop(), session=http
        )
        kept = ((name, value) for name, value in self._request.headers.items() if name.lower() not in _OWN)
        lines = "".join(f"{name}: {value}\r\n" for name, value in kept)
        self._head = f"POST {self._request.url.raw_path_qs} HTTP/1.1\r\n{lines}"

    async def connection(self, timeout: aiohttp.ClientTimeout) -> aiohttp.connector.Connection:
        """A kept one, else a new one. Raises `aiohttp.ClientError`, `TimeoutError`."""
        if self._pool is None:
            raise aiohttp.ClientConnectionError("the client is closed")
        return await self._pool.connect(self._request, [], timeout)

    def head(self, headers: Mapping[str, str], length: int) -> bytes:
        """The head of a request with a body of `length` bytes. Raises `ValueError` for what would end a line."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
            raise ValueError("a header of the request holds a line end")
        return f"{self._head}{lines}content-length: {length}\r\n\r\n".encode("latin-1")


_OWN = frozenset({"content-length", "content-type", "transfer-encoding"})
