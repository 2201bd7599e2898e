"""A listener on loopback without keys answers to its own names only.

A web page elsewhere can point its own name at 127.0.0.1 and would then read the documents through the visitor's browser;
its requests carry that name in `Host`.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.domain.errors import InvalidRequest
from tandem.http.errors import error_reply
from tandem.http.headers import header

_OWN_NAME = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])\.?(:\d{1,5})?", re.IGNORECASE)


class LocalOnly:
    """Refuses requests to any other host name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        host = header(scope, "host") if scope["type"] == "http" else None
        if host is not None and not _OWN_NAME.fullmatch(host):
            fault = InvalidRequest(
                "This Tandem answers to localhost only.",
                hint="To serve it under another name, configure keys (auth.mode: keys).",
                param="host",
            )
            await error_reply(fault)(scope, receive, send)
            return
        await self._app(scope, receive, send)
