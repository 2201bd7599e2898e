"""The outermost layer: the request gets its id and its clock, is counted, logged, and never ends without an answer."""

import asyncio
import logging
import re
from collections.abc import Callable
from contextvars import Token
from random import getrandbits
from typing import Protocol
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem.domain.errors import InvalidRequest
from tandem.domain.span import Attribute, SpanContext, sent_span
from tandem.domain.steps import Place, Work, enter, leave
from tandem.http.access_log import AccessLog
from tandem.http.access_rule import AccessRule
from tandem.http.errors import CLIENT_GONE, error_reply, internal_error
from tandem.http.exchange import Exchange, open_exchange
from tandem.http.farewell import Farewell
from tandem.http.rate_headers import rate_headers
from tandem.http.route_table import RouteTable
from tandem.ports.clock import Clock
from tandem.ports.tracer import Served, Tracer

_log = logging.getLogger("tandem.http")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RequestMeter(Protocol):
    """Where requests are counted; `observe/metrics.py` is one."""

    def arrived(self, route: str) -> None:
        """Before anything else was looked at."""
        ...

    def ended(self, route: str, status: int, duration_s: float, tenant: str | None, example: str | None) -> None:
        """After the last byte, or when it broke off; `tenant` is whose it was, None for probes and for strangers.

        `example` is the id of its trace, where that is kept.
        """
        ...

    def client_closed(self, stage: str) -> None:
        """Nobody waited for the answer any more; `stage` is how far it had come."""
        ...

    def line_left_out(self, reason: str) -> None:
        """The access log's line was not written, by `share` or by `rate`."""
        ...


class Arrival:
    """Opens the exchange; an id that the client sent is honoured when it is sane, else one is made; it is echoed."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: RouteTable,
        clock: Clock,
        meter: RequestMeter,
        new_id: Callable[[], str],
        quiet: frozenset[str],
        farewell: Farewell,
        tracer: Tracer,
        access: AccessRule,
    ) -> None:
        self._app = app
        self._routes = routes
        self._clock = clock
        self._meter = meter
        self._new_id = new_id
        self._quiet = quiet
        self._farewell = farewell
        self._tracer = tracer
        self._access = AccessLog(access, clock, meter.line_left_out, quiet)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = self._exchange(scope)
        open_exchange(scope, exchange)
        echoed = (b"x-request-id", exchange.request_id.encode())
        start: Message | None = None
        whole = False

        async def send_with_id(message: Message) -> None:
            nonlocal start, whole
            if message["type"] == "http.response.start":
                start = message
                headers = [*message["headers"], echoed, *_recorded(exchange.receipt), *rate_headers(exchange.standing)]
                message = {**message, "headers": headers}
            else:
                whole = not message.get("more_body", False)
            await send(message)

        self._meter.arrived(exchange.route)
        work, token = self._followed(exchange)
        try:
            fault = _fault(scope)
            handle = self._app if fault is None else error_reply(InvalidRequest(fault))
            await handle(scope, receive, send_with_id)
        except Exception:
            # The process's edge: what was not foreseen is a fault of ours, logged whole and answered without details.
            told = {
                "request_id": exchange.request_id,
                "trace_id": exchange.span.trace_id,
                "route": exchange.route,
            }
            _log.exception("unforeseen fault", extra=told)
            exchange.outcome = 500
            if start is not None:
                raise  # A broken-off body must look broken off: the server closes the connection.
            await error_reply(internal_error())(scope, receive, send_with_id)
        except asyncio.CancelledError:
            if whole or not self._farewell.due:
                raise
            exchange.outcome = await self._farewell.say(scope, receive, send_with_id, start)
        finally:
            if token is not None:
                leave(token)
            self._conclude(scope, exchange, None if start is None else start["status"], work)

    def _exchange(self, scope: Scope) -> Exchange:
        sent_id = traceparent = state = None
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                sent_id = value.decode()
            elif name == b"traceparent":
                traceparent = value
            elif name == b"tracestate":
                # A list may come in several headers.
                state = value if state is None else state + b"," + value
        return Exchange(
            request_id=sent_id or self._new_id(),
            route=self._routes.label(scope["path"]),
            arrived_s=self._clock.monotonic_s(),
            span=self._span(traceparent, state),
        )

    def _span(self, traceparent: bytes | None, state: bytes | None) -> SpanContext:
        """This request's, in the client's trace or in one that begins here."""
        span_id = f"{getrandbits(64) or 1:016x}"
        if (sent := sent_span(traceparent, state, span_id)) is not None:
            return sent
        trace_id = f"{getrandbits(128) or 1:032x}"
        return SpanContext(trace_id, span_id, sampled=self._tracer.samples(trace_id))

    def _followed(self, exchange: Exchange) -> tuple[Work | None, Token[Place | None] | None]:
        """What is noted of it from now on: servers that it calls learn by that whom for. Probes and scrapes are no work."""
        if exchange.route in self._quiet:
            return None, None
        if self._tracer.follows and exchange.span.sampled:
            exchange.example = exchange.span.trace_id
        work = self._tracer.begin(exchange.span, exchange.arrived_s)
        return work, enter(work)

    def _conclude(self, scope: Scope, exchange: Exchange, sent_status: int | None, work: Work | None) -> None:
        status = exchange.outcome or sent_status or CLIENT_GONE
        duration_s = self._clock.monotonic_s() - exchange.arrived_s
        if work is not None:
            if self._tracer.keeps(work, failed=status >= 500):
                exchange.example = exchange.span.trace_id
                self._tracer.tell(work, _served(scope, exchange, status))
            work.forget()
        # What a gateway asks for on behalf of a tenant was counted there.
        nobody = status == 401 or exchange.route in self._quiet or exchange.peer
        tenant = None if nobody else exchange.tenant
        self._meter.ended(exchange.route, status, duration_s, tenant, exchange.example)
        if status == CLIENT_GONE:
            self._meter.client_closed(exchange.progress.stage)
        self._access.over(scope, exchange, status, duration_s)


def _served(scope: Scope, exchange: Exchange, status: int) -> Served:
    """By OpenTelemetry's conventions for HTTP servers. The route, not the path: that may name a document."""
    told: dict[str, Attribute] = {
        "http.request.method": scope["method"],
        "http.route": exchange.route,
        "http.response.status_code": status,
        "tandem.request_id": exchange.request_id,
        "tandem.tenant": exchange.tenant,
    }
    if exchange.receipt:
        told["tandem.receipt"] = exchange.receipt
    if status == CLIENT_GONE:
        told["tandem.outcome"] = "client_closed"
    error = str(status) if status >= 500 else None
    name = f"{scope['method']} {exchange.route}"
    return Served(name, told, error, recorded=bool(exchange.progress.outcome))


def _recorded(receipt: str) -> list[tuple[bytes, bytes]]:
    """Told of failures too: what is known of them can then be looked up."""
    return [(b"x-tandem-receipt-id", receipt.encode())] if receipt else []


def _fault(scope: Scope) -> str | None:
    if _CONTROL.search(scope["path"]):
        return "The URL's path has control characters."
    # The server replaces what it cannot decode, and two different paths would then name one document.
    for raw in (scope.get("raw_path") or b"", scope["query_string"]):
        if b"%" in raw or not raw.isascii():
            try:
                unquote_to_bytes(raw).decode()
            except UnicodeDecodeError:
                return "The URL is not valid UTF-8 after percent-decoding."
    return None
