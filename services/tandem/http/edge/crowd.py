"""What a process that has all the connections it takes still answers: its probes, so that nobody restarts it for that."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.http.edge.refusals import FULL

_PROBES = frozenset({"/livez", "/readyz", "/startupz", "/health", "/metrics"})


def for_probes_only(app: ASGIApp, count: Callable[[], None]) -> ASGIApp:
    """`app` for probes; anyone else is told to come back, and counted."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in _PROBES:
            await app(scope, receive, send)
            return
        count()
        head, _, body = FULL.partition(b"\r\n\r\n")
        headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer
