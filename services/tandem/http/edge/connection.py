"""One client's connection: uvicorn's httptools protocol, with bounds on what the client may keep us waiting for."""

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tandem.http.edge.bell import Bell
from tandem.http.edge.census import Closed
from tandem.http.edge.crowd import for_probes_only
from tandem.http.edge.door import Door
from tandem.http.edge.flow import Flow
from tandem.http.edge.framing import Framing
from tandem.http.edge.refusals import FULL, LARGE_HEAD, MALFORMED, SLOW_HEAD
from tandem.http.edge.requests import fault_of, origin_form
from tandem.http.edge.since import Since, over
from tandem.http.edge.wire import Wire

# Once an answer is out although the request was not read to its end: how long what still comes is taken and thrown
# away, so that the client gets to read the answer before its connection is reset.
_LINGER_S = 1.0
# A rest of a body as small as this is read to its end: a client that still sends it would miss the answer.
_READ_ANYWAY_BYTES = 262_144
# Over its limit of connections a process still hears what is asked, so that probes get their answer.
_HEARD_ANYWAY = 32
# A client that asked before it saw us leave.
_LAST_CALL_S = 1.0
# Requests sent ahead of their turn wait here as bytes. Reading goes on, since only reading tells that a client left.
_MAX_AHEAD_BYTES = 65_536


class Connection(HttpToolsProtocol):
    """Everything uvicorn's does, and more.

    - A request's head must be complete in time and within its size; what is malformed gets one answer, never two.
    - A request sent ahead of its turn waits unread, so that a client's leaving is always seen.
    - A client that closes its sending side has left: what runs for it is cancelled.
    - A client that does not read gets its connection cut after a while; unread bodies never keep one open.

    The server calls `sweep` about once a second: deadlines of ten seconds need no timers of their own.
    """

    # What uvicorn's has is as much as Python keeps compactly: with more in the same place, each connection takes a kilobyte.
    __slots__ = ("_active", "_ahead", "_deaf", "_door", "_fault", "_framing", "_since", "_wire")

    def __init__(self, door: Door, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._door = door
        self._wire: asyncio.Transport = None  # type: ignore[assignment]
        self._active: RequestResponseCycle | None = None
        self._since = Since()
        self._framing = Framing(door.limits.max_header_bytes)
        self._fault: bytes | None = None
        self._deaf = False
        self._ahead: bytearray | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._wire = cast(asyncio.Transport, transport)
        super().connection_made(self._wire)
        self.flow = Flow(self._wire)
        self.transport = cast(asyncio.Transport, Wire(self._wire, self._close))
        self._door.census.open += 1
        self._since.head = self.loop.time()
        over = len(self.connections) - self._door.limits.max_connections
        if over > _HEARD_ANYWAY:
            self._refuse(FULL, Closed.full)
        elif over > 0:
            self.app = for_probes_only(self.app, self._count_full)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, by whomever; what ran for it hears `http.disconnect`."""
        self._door.census.open -= 1
        self._deaf = True
        self._ahead = None
        # Not only the request that was read last: an earlier one may still be at work.
        if (active := self._active) is not None and not active.response_complete:
            active.disconnected = True
            active.message_event.set()
        self.pipeline.clear()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        # It held on to us, and we to it: without clients, nothing is left for the collector to find.
        cast(Wire, self.transport).close = _nothing

    def eof_received(self) -> None:
        """Half a close is a whole one: a client that has left looks no different."""
        if self._answering():
            self._wire.abort()
        elif self._wire.get_write_buffer_size():
            self._since.stalled = self._since.stalled or self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or ahead of their turn, or of no interest any more."""
        if self._deaf:
            return
        if (active := self._active) is not None and not active.response_complete and not active.more_body:
            self._keep_ahead(data)
            return
        self._feed(data)

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        super().pause_writing()
        self._since.stalled = self.loop.time()

    def resume_writing(self) -> None:
        """It caught up."""
        super().resume_writing()
        self._since.stalled = None

    # The parser's side

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._framing.begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer is dropped: nothing that was decided on the headers may change afterwards."""
        if self._framing.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: the request is served, refused, or put in its turn."""
        self._framing.in_head = False
        self._since.head = None
        if (
            sum(len(name) + len(value) for name, value in self.headers) + len(self.url)
            > self._door.limits.max_header_bytes
        ):
            raise self._failed(LARGE_HEAD)
        if (fault := fault_of(self.parser.get_http_version(), self.parser.get_method(), self.headers)) is not None:
            raise self._failed(fault)
        self.url, host = origin_form(self.url)
        if host is not None:
            self.headers[:] = [(b"host", host), *((name, value) for name, value in self.headers if name != b"host")]
        super().on_headers_complete()
        self.cycle.message_event = cast(asyncio.Event, Bell())
        if self._door.lifecycle.leaving:
            self.cycle.keep_alive = False
        # A request in its turn behind another one: uvicorn stops reading, and would not see the client leave.
        self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._framing.body(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._framing.in_message = False
        super().on_message_complete()
        if self._since.rest is not None:
            # It was answered before: from here on the connection is idle.
            self._since.rest = None
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    # The application's side

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The answer is out: the next request, or the end."""
        active, self._active = self._active, None
        if self._wire.is_closing() or self._deaf:
            self.server_state.total_requests += 1
            return
        if active is not None and active.more_body:
            if not self._ends_soon():
                # The rest of the body is not worth reading.
                self.transport.close()
                return
            self._since.rest = self.loop.time()
        super().on_response_complete()
        if self._ahead is not None and not self._answering():
            ahead, self._ahead = bytes(self._ahead), None
            self._feed(ahead)

    # The server's side

    def shutdown(self) -> None:
        """Take leave: idle connections close, a request that runs or is coming in is the last one."""
        self._since.leaving = self.loop.time()
        if self._answering():
            for cycle in (self._active, self.cycle):
                if cycle is not None:
                    cycle.keep_alive = False
        elif self._since.head is None:
            self.transport.close()

    def abort(self) -> None:
        """Now, whatever is still unsent."""
        self._door.census.closed[Closed.drained] += 1
        self._wire.abort()

    def sweep(self, now_s: float) -> None:
        """Ends the connection when its client has kept us waiting for too long."""
        limits = self._door.limits
        if over(self._since.stalled, limits.write_timeout_s, now_s):
            self._door.census.closed[Closed.slow_reader] += 1
            self._wire.abort()
        elif over(self._since.lingers, _LINGER_S, now_s):
            self._wire.abort()
        elif over(self._since.head, limits.header_timeout_s, now_s) and not self._deaf:
            self._refuse(SLOW_HEAD if self._framing.in_head else b"", Closed.slow_head)
        elif over(self._since.rest, _LINGER_S, now_s) or (
            over(self._since.leaving, _LAST_CALL_S, now_s) and not self._answering() and not self._framing.in_message
        ):
            self.transport.close()

    # Steps

    def _answering(self) -> bool:
        return self._active is not None and not self._active.response_complete

    def _ends_soon(self) -> bool:
        announced = next((value for name, value in self.headers if name == b"content-length"), None)
        return announced is not None and self._framing.left_of(int(announced)) <= _READ_ANYWAY_BYTES

    def _keep_ahead(self, data: bytes) -> None:
        self._ahead = self._ahead or bytearray()
        self._ahead += data
        if len(self._ahead) > _MAX_AHEAD_BYTES:
            self._door.census.closed[Closed.pipelined] += 1
            self._wire.abort()

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._since.head is None and not self._framing.in_message:
            self._since.head = self.loop.time()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing else is spoken here: the request is answered as if it had not asked, what follows it is not read.
            self._deaf = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._fault or MALFORMED, Closed.large_head if self._fault is LARGE_HEAD else Closed.malformed)
        else:
            if (refusal := self._framing.fed(len(data))) is not None:
                self._refuse(refusal, Closed.large_head if refusal is LARGE_HEAD else Closed.malformed)

    def _failed(self, refusal: bytes) -> httptools.HttpParserError:
        self._fault = refusal
        return httptools.HttpParserError("refused")

    def _count_full(self) -> None:
        self._door.census.closed[Closed.full] += 1

    def _refuse(self, refusal: bytes, reason: Closed) -> None:
        """The last word on this connection, unless an answer is under way: two answers to one request never leave."""
        self._door.census.closed[reason] += 1
        self._deaf = True
        self.pipeline.clear()
        active = self._active
        if active is not None and not active.response_complete:
            if active is not self.cycle or self._framing.in_head or not active.more_body:
                # It is an earlier request that is being answered; the connection ends with that answer.
                active.keep_alive = False
                return
            started = active.response_started
            active.disconnected = True
            active.message_event.set()
            if started:
                self._wire.abort()
                return
        if refusal:
            self._wire.write(refusal)
        self._linger()

    def _linger(self) -> None:
        self._deaf = True
        self._since.lingers = self.loop.time()
        if not self._wire.is_closing():
            self._wire.write_eof()

    def _close(self) -> None:
        if self._wire.is_closing() or self._since.lingers is not None:
            return
        if self._framing.in_message or self._ahead:
            self._linger()
            return
        self._wire.close()
        if self._wire.get_write_buffer_size():
            self._since.stalled = self._since.stalled or self.loop.time()


def _nothing() -> None:
    """Closes what is closed."""
