"""Every request has a deadline, set on arrival; its body must have come by then too."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem.admission.deadline import TIMEOUT_HEADER, deadline_s
from tandem.domain.errors import InvalidRequest
from tandem.http.errors import error_reply
from tandem.http.exchange import exchange_of
from tandem.http.headers import header
from tandem.ports.clock import Clock


class Deadline:
    """Reads `x-request-timeout-ms`; without it the configured budget counts."""

    def __init__(self, app: ASGIApp, *, budget_s: float, clock: Clock) -> None:
        self._app = app
        self._budget_s = budget_s
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        try:
            until_s = deadline_s(header(scope, TIMEOUT_HEADER), now_s=exchange.arrived_s, budget_s=self._budget_s)
        except InvalidRequest as error:
            await error_reply(error)(scope, receive, send)
            return
        exchange.deadline_s = until_s
        await self._app(scope, self._in_time(receive, until_s), send)

    def _in_time(self, receive: Receive, until_s: float) -> Receive:
        whole = False

        async def receive_in_time() -> Message:
            nonlocal whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout(until_s - self._clock.monotonic_s()):
                    message = await receive()
            except TimeoutError:
                # A body that trickles in must not hold a connection for ever.
                raise HTTPException(504) from None
            whole = not message.get("more_body", False)
            return message

        return receive_in_time
