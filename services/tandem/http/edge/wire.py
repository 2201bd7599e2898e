"""A transport as a request's cycle sees it: it writes, and it may close."""

import asyncio
from collections.abc import Callable


class Wire:
    """Writes straight through; `close` is the connection's."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close
