"""The web application: routers, the layers around them, and one shape for every error."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast
from uuid import uuid4

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from tandem.admission.identity import Identity
from tandem.admission.quotas import Quotas
from tandem.domain.errors import TandemError
from tandem.http.access_rule import EVERY_LINE, AccessRule
from tandem.http.direct import Direct, DirectRouter
from tandem.http.documentation import DOCUMENTATION, describe, documentation_router
from tandem.http.errors import GONE, on_invalid, on_tandem_error, routing_reply
from tandem.http.farewell import Farewell
from tandem.http.lifecycle import Lifecycle
from tandem.http.middleware.arrival import Arrival, RequestMeter
from tandem.http.middleware.body_limit import BodyLimit
from tandem.http.middleware.deadline import Deadline
from tandem.http.middleware.identified import Identified
from tandem.http.middleware.limited import Limited
from tandem.http.middleware.local_only import LocalOnly
from tandem.http.middleware.security_headers import SecurityHeaders
from tandem.http.middleware.shedding import Refusal, Shedding
from tandem.http.route_table import RouteTable
from tandem.http.routers.files import ROOT as FILES
from tandem.http.routers.operations import OPERATIONS
from tandem.http.routers.peer_receipts import MAX_BYTES as PEER_BYTES
from tandem.http.routers.peer_receipts import ROOT as PEER_RECEIPTS
from tandem.pipeline.untraced import UNTRACED
from tandem.ports.clock import Clock
from tandem.ports.tracer import Tracer

# What a form has around its file.
_FORM_BYTES = 16_384


def web_app(
    routers: Sequence[APIRouter],
    *,
    version: str,
    clock: Clock,
    meter: RequestMeter,
    identity: Identity,
    quotas: Quotas | None = None,
    refusal: Refusal | None = None,
    lifecycle: Lifecycle,
    max_body_bytes: int,
    max_document_bytes: int | None = None,
    max_file_bytes: int | None = None,
    request_timeout_s: float,
    open_paths: Sequence[str] = (),
    local_only: bool = False,
    title: str = "Tandem",
    tracer: Tracer = UNTRACED,
    access: AccessRule = EVERY_LINE,
    new_id: Callable[[], str] = lambda: uuid4().hex,
) -> ASGIApp:
    """An ASGI application over these routers (without prefixes), with `/openapi.json` and `/docs`.

    Operations, documentation and `open_paths` (exact, or prefixes ending in a slash) need no key; everything else does
    when `identity` knows any. `max_document_bytes` is the limit below `/v1/documents`, `max_file_bytes` that of an uploaded file, `max_body_bytes`
    elsewhere.
    `refusal` tells when every queue for a model is full. `local_only` says that the listener is on loopback: without keys, requests to other host names are refused then.
    """
    routers = [*routers, documentation_router()]
    routes = RouteTable(route for router in routers for route in router.routes)
    documents = {} if max_document_bytes is None else {"/v1/documents": max_document_bytes}
    files = {} if max_file_bytes is None else {FILES: max_file_bytes + _FORM_BYTES}
    special: Mapping[str, int] = {**documents, **files, PEER_RECEIPTS: PEER_BYTES}
    lanes = {key: lane for router in routers if isinstance(router, DirectRouter) for key, lane in router.lanes.items()}
    layers = [
        Middleware(
            Arrival,
            routes=routes,
            clock=clock,
            meter=meter,
            new_id=new_id,
            quiet=frozenset({*OPERATIONS, *DOCUMENTATION}),
            farewell=Farewell(lifecycle),
            tracer=tracer,
            access=access,
        ),
        Middleware(SecurityHeaders),
        *([Middleware(LocalOnly)] if local_only and not identity.required else []),
        Middleware(Identified, identity=identity, open_paths=(*OPERATIONS, *DOCUMENTATION, *open_paths)),
        # Before the deadline and the body: who is refused costs a look and nothing more. What nobody would get now takes
        # nothing of the tenant's quota.
        *([] if refusal is None else [Middleware(Shedding, refusal=refusal)]),
        *([] if quotas is None else [Middleware(Limited, quotas=quotas)]),
        Middleware(Deadline, budget_s=request_timeout_s, clock=clock),
        Middleware(BodyLimit, limit=max_body_bytes, special=special),
        Middleware(Direct, lanes=lanes),
    ]
    app = _Routing(
        title=title,
        version=version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect would be an answer that no route documents, and clients drop bodies on it.
        redirect_slashes=False,
    )

    async def on_routing(request: Request, fault: Exception) -> Response:
        return routing_reply(cast(HTTPException, fault), routes.allowed(request.scope["path"]))

    app.add_exception_handler(TandemError, on_tandem_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_routing)
    for kind, handler in GONE.items():
        app.add_exception_handler(kind, handler)
    for router in routers:
        app.include_router(router)
    describe(app, keys=identity.required)
    return _around(app, layers)


class _Routing(FastAPI):
    """Routes and documentation. What nobody foresaw goes on to `Arrival`, the process's edge, which answers it."""

    def build_middleware_stack(self) -> ASGIApp:
        """Without the layer that answers such a fault with plain text before anybody else sees it."""
        outermost = super().build_middleware_stack()
        return outermost.app if isinstance(outermost, ServerErrorMiddleware) else outermost


def _around(app: ASGIApp, layers: Sequence[Middleware]) -> ASGIApp:
    """The first of the layers is the outermost. They lie around the framework, whose own cost what a lane saves."""
    for layer in reversed(layers):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app
