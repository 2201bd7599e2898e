"""A job's events as server-sent events, from where a client broke off up to the last one."""

import logging
from collections.abc import AsyncIterator

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tandem.domain.errors import TandemError
from tandem.domain.job import JobEvent
from tandem.http.errors import CLIENT_GONE, ClientGone, error_body, status_of
from tandem.http.exchange import exchange_of
from tandem.http.outlet import EVENT_STREAM, Outlet
from tandem.http.presence import while_wanted

_log = logging.getLogger("tandem.jobs")


class JobStream(Response):
    """It may last longer than any request's time: a job takes as long as it takes, and clients come again.

    A failure before the first event is raised, and becomes a status; later it is an `error` event.
    """

    def __init__(self, events: AsyncIterator[JobEvent], *, keep_alive_s: float) -> None:
        super().__init__()
        self._events = events
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        exchange = exchange_of(scope)
        outlet = Outlet(send, EVENT_STREAM, keep_alive_s=self._keep_alive_s)
        try:
            async with outlet:
                await while_wanted(self._forward(outlet), receive, left_s=None, stage="job")
        except ClientGone:
            exchange.outcome = CLIENT_GONE
        except TandemError as error:
            if not outlet.started:
                raise
            exchange.outcome = status_of(error)
            _log.warning("the events of a job broke off: %s", error.message, extra={"request_id": exchange.request_id})
            await outlet.write(b"event: error\ndata: " + orjson.dumps(error_body(error)) + b"\n\n", last=True)

    async def _forward(self, outlet: Outlet) -> None:
        async for event in self._events:
            await outlet.write(_written(event))
        await outlet.write(b"", last=True)


def _written(event: JobEvent) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.kind.encode(), event.data)
