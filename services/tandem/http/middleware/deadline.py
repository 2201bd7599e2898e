"""Every request has a deadline, set on arrival."""

from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.admission.deadline import TIMEOUT_HEADER, deadline_s
from tandem.domain.errors import InvalidRequest
from tandem.http.errors import error_reply
from tandem.http.exchange import exchange_of
from tandem.http.headers import header


class Deadline:
    """Reads `x-request-timeout-ms`; without it the configured budget counts."""

    def __init__(self, app: ASGIApp, *, budget_s: float) -> None:
        self._app = app
        self._budget_s = budget_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            exchange = exchange_of(scope)
            try:
                exchange.deadline_s = deadline_s(
                    header(scope, TIMEOUT_HEADER), now_s=exchange.arrived_s, budget_s=self._budget_s
                )
            except InvalidRequest as error:
                await error_reply(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
