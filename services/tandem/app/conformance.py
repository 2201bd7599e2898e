"""A server as the subject of conformance checks."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import orjson

from tandem.adapters.upstream.wire import upstream_wire
from tandem.app.clock import SystemClock
from tandem.app.speaking import speaking
from tandem.domain.errors import ConfigurationError
from tandem.generation.streaming import Patience
from tandem.pipeline.conformance.shown import Shown
from tandem.pipeline.conformance.subject import Protocol, Remote, Subject
from tandem.ports.generator import Generator
from tandem.ports.wire import Wire

_CONNECT_S = 5.0


@asynccontextmanager
async def remote_subject(
    url: str,
    protocol: Protocol,
    *,
    model: str | None = None,
    api_key: str | None = None,
    streams: int = 32,
    token_timeout_s: float = 60.0,
) -> AsyncIterator[Subject]:
    """The server at `url`. Without `model`, the first one that an OpenAI-compatible server lists is asked for.

    Raises `UpstreamUnavailable`, and `ConfigurationError` when the server lists no model.
    """
    clock = SystemClock()
    patience = Patience(_CONNECT_S, token_timeout_s, token_timeout_s)

    def opened(key: str | None) -> AbstractAsyncContextManager[Wire]:
        return upstream_wire(url, api_key=key, patience=patience, clock=clock)

    @asynccontextmanager
    async def named(name: str) -> AsyncIterator[Generator]:
        async with opened(api_key) as wire:
            yield speaking(protocol, wire, name, patience, clock)

    async with opened(api_key) as wire:
        name = model or ("tgi" if protocol == "tgi" else await _first_model(wire))
        shown = Shown(wire)
        yield Subject(
            speaking(protocol, wire, name, patience, clock),
            clock,
            Remote(wire, protocol, name, named, (lambda: opened(None)) if api_key else None),
            load=shown.load,
            bound=shown.bound,
            streams=streams,
        )


async def _first_model(wire: Wire) -> str:
    answer = await wire.get("/v1/models", timeout_s=_CONNECT_S)
    try:
        return str(orjson.loads(answer.body)["data"][0]["id"])
    except (orjson.JSONDecodeError, LookupError, TypeError) as error:
        raise ConfigurationError(
            f"The server lists no model at /v1/models (status {answer.status}).", hint="Name one with --model."
        ) from error
