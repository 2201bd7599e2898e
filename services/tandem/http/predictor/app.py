"""The predictor's web application: an engine behind the protocols of TGI and OpenAI.

It differs from TGI on purpose in two things: the key is compared exactly, and no `access-control-allow-origin: *` lets
any page on the web use a model that listens on someone's own machine.
"""

import secrets
from collections.abc import Callable
from typing import cast
from uuid import uuid4

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from tandem.domain.errors import TandemError
from tandem.http.access_rule import EVERY_LINE, AccessRule
from tandem.http.errors import GONE
from tandem.http.farewell import Farewell, openai_event
from tandem.http.lifecycle import Lifecycle
from tandem.http.middleware.arrival import Arrival, RequestMeter
from tandem.http.predictor.about import About
from tandem.http.predictor.delivery import Delivery
from tandem.http.predictor.faults import fault_of
from tandem.http.predictor.gate import Gate
from tandem.http.predictor.generation import Source
from tandem.http.predictor.health import Health
from tandem.http.predictor.meter import TgiMeter
from tandem.http.predictor.routes import Generations
from tandem.http.route_table import RouteTable
from tandem.http.routers.operations import OPERATIONS, operations_router
from tandem.pipeline.untraced import UNTRACED
from tandem.ports.clock import Clock
from tandem.ports.engine import Engine
from tandem.ports.tracer import Tracer


def predictor_app(
    engine: Engine,
    *,
    lifecycle: Lifecycle,
    registry: CollectorRegistry,
    meter: RequestMeter,
    version: str,
    clock: Clock,
    api_key: str | None = None,
    request_timeout_s: float | None = None,
    keep_alive_s: float = 15.0,
    target: str = "predictor",
    tracer: Tracer = UNTRACED,
    access: AccessRule = EVERY_LINE,
    new_id: Callable[[], str] = lambda: uuid4().hex,
    new_seed: Callable[[], int] = lambda: secrets.randbits(31),
) -> ASGIApp:
    """An ASGI application over `engine`; TGI's metrics are added to `registry`, `/metrics` shows all of it.

    With `api_key`, POST routes need it. `request_timeout_s` is for requests without `x-request-timeout-ms`; None lets
    them run as long as they last. `new_seed` draws the seed of a sampled answer that names none.
    """
    source = Source(engine, clock, new_seed)
    tgi, health, gate = TgiMeter(engine, registry), Health(engine, lifecycle), Gate(api_key, request_timeout_s)
    generations = Generations(Delivery(source, tgi, health, keep_alive_s), version)
    routes: list[BaseRoute] = [
        *(gate.post(path, handler) for path, handler in generations.routes()),
        *About(engine, health, tgi, registry, version).routes(),
        # After TGI's own, which two of them share a path with.
        *operations_router(lifecycle, registry, version=version, target=target).routes,
    ]
    table = RouteTable(routes)
    arrival = Middleware(
        Arrival,
        routes=table,
        clock=clock,
        meter=meter,
        new_id=new_id,
        quiet=frozenset({*OPERATIONS, "/ping"}),
        farewell=Farewell(lifecycle, _broken_off),
        tracer=tracer,
        access=access,
    )
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, middleware=[arrival])
    app.router.routes.extend(routes)

    async def on_refused(request: Request, error: Exception) -> Response:
        return _refusal(cast("HTTPException", error), table.allowed(request.scope["path"]))

    app.add_exception_handler(HTTPException, on_refused)
    app.add_exception_handler(TandemError, _on_fault)
    for kind, handler in GONE.items():
        app.add_exception_handler(kind, handler)
    return app


def _refusal(error: HTTPException, allowed: str | None) -> Response:
    if error.status_code in {404, 405}:
        headers = {"allow": allowed} if error.status_code == 405 and allowed else {}
        return Response(status_code=error.status_code, headers=headers)
    return PlainTextResponse(error.detail, error.status_code)


def _broken_off(path: str, error: TandemError) -> bytes:
    if path.startswith("/v1/"):
        return openai_event(path, error)
    return b"data: " + fault_of(error).body() + b"\n\n"


async def _on_fault(_: Request, error: Exception) -> Response:
    return fault_of(cast("TandemError", error)).reply()
