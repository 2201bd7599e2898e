"""A tenant over its quota is told so before anything of its request is read."""

from contextlib import AsyncExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem.admission.quotas import Quotas
from tandem.domain.errors import TandemError
from tandem.domain.quota import Standing
from tandem.http.errors import error_reply
from tandem.http.exchange import exchange_of

WORK = frozenset(
    {
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/retrieve"),
        ("PUT", "/v1/documents"),
        ("PUT", "/v1/documents/{document_id:path}"),
        ("DELETE", "/v1/documents/{document_id:path}"),
    }
)
"""Methods and route templates that count; looking something up does not."""


class Limited:
    """Counts the requests that do work: the tenant's quota of requests, and how many run at the same time."""

    def __init__(self, app: ASGIApp, *, quotas: Quotas) -> None:
        self._app = app
        self._quotas = quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        tenant = self._quotas.tenants.of(exchange.tenant)
        if not tenant.limited or (scope["method"], exchange.route) not in WORK:
            await self._app(scope, receive, send)
            return
        exchange.standing = Standing()
        async with AsyncExitStack() as running:
            try:
                await running.enter_async_context(self._quotas.request(tenant, exchange.standing))
            except TandemError as error:
                await error_reply(error)(scope, receive, send)
                return

            async def send_and_free(message: Message) -> None:
                # Before the client has the end: who asks one after the other must find his slot free.
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    await running.aclose()
                await send(message)

            await self._app(scope, receive, send if tenant.concurrency is None else send_and_free)
