"""What operators and probes ask of every process."""

from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from tandem.http.lifecycle import Lifecycle, State
from tandem.http.reply import json_reply
from tandem.http.scrape import scraped
from tandem.http.wire.text import Out

_SCRAPED = ("text/plain", "application/openmetrics-text")
OPERATIONS = ("/livez", "/readyz", "/startupz", "/health", "/metrics", "/version")


class Health(Out):
    """`status`: starting, ready or draining."""

    status: State
    target: str
    version: str


class Version(Out):
    """What runs."""

    name: str = "tandem"
    version: str
    target: str


def operations_router(lifecycle: Lifecycle, registry: CollectorRegistry, *, version: str, target: str) -> APIRouter:
    """The probes answer from memory: a slow peer never makes a healthy process look ill."""
    router = APIRouter(tags=["operations"])
    unready: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Not now."}}

    def health(*, fine: bool) -> Response:
        state = Health(status=lifecycle.state, target=target, version=version)
        return json_reply(state, 200 if fine else 503)

    @router.get("/livez", responses={200: {"model": Health}}, summary="Does the process answer?")
    async def livez() -> Response:
        return health(fine=True)

    @router.get("/startupz", responses={200: {"model": Health}, **unready}, summary="Has it started?")
    async def startupz() -> Response:
        return health(fine=lifecycle.state is not State.starting)

    @router.get("/readyz", responses={200: {"model": Health}, **unready}, summary="May it get traffic?")
    async def readyz() -> Response:
        return health(fine=lifecycle.state is State.ready)

    @router.get("/health", responses={200: {"model": Health}, **unready}, summary="The same, by its usual name")
    async def health_() -> Response:
        return health(fine=lifecycle.state is State.ready)

    @router.get("/version", responses={200: {"model": Version}}, summary="What runs?")
    async def version_() -> Response:
        return json_reply(Version(version=version, target=target))

    @router.get(
        "/metrics",
        responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in _SCRAPED}}},
        summary="Prometheus metrics",
    )
    async def metrics(request: Request) -> Response:
        return scraped(registry, request.headers.get("accept"))

    return router
