"""Before a request costs the model anything: its key and its deadline."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tandem.admission.deadline import TIMEOUT_HEADER, deadline_s
from tandem.http.exchange import exchange_of

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Gate:
    """Without `api_key` everyone is welcome; without `request_timeout_s` only callers set deadlines, as with TGI."""

    api_key: str | None
    request_timeout_s: float | None

    def post(self, path: str, handler: Handler) -> Route:
        """A POST route behind the key: without it, 401 and nothing more."""

        async def endpoint(request: Request) -> Response:
            if not self._admits(request.headers.get("authorization", "")):
                return Response(status_code=401)
            self._set_deadline(request)
            return await handler(request)

        return Route(path, endpoint, methods=["POST"])

    def _admits(self, authorization: str) -> bool:
        if self.api_key is None:
            return True
        scheme, _, key = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode("latin-1"), self.api_key.encode())

    def _set_deadline(self, request: Request) -> None:
        asked = request.headers.get(TIMEOUT_HEADER)
        exchange = exchange_of(request.scope)
        if asked is not None or self.request_timeout_s is not None:
            exchange.deadline_s = deadline_s(asked, now_s=exchange.arrived_s, budget_s=self.request_timeout_s or 0.0)
