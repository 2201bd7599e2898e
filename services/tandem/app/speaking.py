"""A predictor's client: its connection, and above it the protocol that it speaks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from tandem.app.clock import SystemClock
from tandem.generation.streaming import Patience
from tandem.ports.clock import Clock
from tandem.ports.generator import Server
from tandem.ports.wire import Wire

Protocol = Literal["tgi", "openai"]


def speaking(protocol: Protocol, wire: Wire, model: str, patience: Patience, clock: Clock) -> Server:
    """The client over `wire`. TGI has one model and takes no name."""
    if protocol == "tgi":
        from tandem.adapters.tgi.generator import TgiGenerator

        return TgiGenerator(wire, patience, clock)
    from tandem.adapters.openai.generator import OpenAIGenerator

    return OpenAIGenerator(wire, model, patience, clock)


@asynccontextmanager
async def predictor_client(
    url: str, protocol: Protocol, *, model: str = "tgi", api_key: str | None = None, patience: Patience
) -> AsyncIterator[Server]:
    """The client with a connection of its own. `url` is the server's root, with or without `/v1`."""
    from tandem.adapters.upstream.wire import upstream_wire

    clock = SystemClock()
    async with upstream_wire(url, api_key=api_key, patience=patience, clock=clock) as wire:
        yield speaking(protocol, wire, model, patience, clock)
