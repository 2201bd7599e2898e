"""The predictor's whole surface over an engine, on a real socket, and a client that hides nothing."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from fakes.live import live
from tandem.app.clock import SystemClock
from tandem.http.lifecycle import Lifecycle
from tandem.http.predictor.app import predictor_app
from tandem.observe.metrics import Metrics
from tandem.ports.engine import Engine

E = TypeVar("E", bound=Engine)
JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """As received; header names in lower case and in their order."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Predictor(Generic[E]):
    """A running predictor."""

    def __init__(self, url: str, engine: E, lifecycle: Lifecycle, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.engine = engine
        self.lifecycle = lifecycle
        self.session = session

    async def post(self, path: str, body: Any, headers: Mapping[str, str] = JSON) -> Reply:
        """`body` as bytes, or as what becomes JSON."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.ask("POST", path, data, headers)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return await self.ask("GET", path, None, headers or {})

    async def ask(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Reply:
        async with self.session.request(
            method, self.url + path, data=data, headers=headers, skip_auto_headers=["content-type"]
        ) as reply:
            body = await reply.read()
            names = tuple((name.decode().lower(), value.decode()) for name, value in reply.raw_headers)
            return Reply(reply.status, names, body)

    async def metric(self, line: str) -> float | None:
        """The value of one sample, None when it is not shown."""
        text = (await self.get("/metrics")).body.decode()
        return next((float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(f"{line} ")), None)


@asynccontextmanager
async def predictor(engine: E, *, ready: bool = True, port: int = 0, **options: Any) -> AsyncIterator[Predictor[E]]:
    """`options` are those of `predictor_app`."""
    metrics, lifecycle = Metrics("0.0.0", "predictor"), Lifecycle()
    if ready:
        lifecycle.ready()
    app = predictor_app(
        engine,
        lifecycle=lifecycle,
        registry=metrics.registry,
        meter=metrics,
        **{"version": "0.0.0", "clock": SystemClock(), **options},
    )
    async with live(app, port) as url, aiohttp.ClientSession() as session:
        yield Predictor(url, engine, lifecycle, session)
