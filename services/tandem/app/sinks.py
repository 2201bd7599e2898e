"""Where records go, by the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tandem.app.settings import Settings
from tandem.pipeline.shipping import Pace
from tandem.ports.sink import Sink


@asynccontextmanager
async def sinks(settings: Settings) -> AsyncIterator[list[tuple[Sink, Pace]]]:
    """Each that is configured, and how it is shipped to."""
    chosen = settings.monitor
    usual = Pace(
        most=chosen.batch_records,
        timeout_s=chosen.ship_timeout_s,
        retry_s=chosen.retry_s,
        longest_retry_s=chosen.longest_retry_s,
    )
    async with AsyncExitStack() as stack:
        opened: list[tuple[Sink, Pace]] = []
        if chosen.stdout.enabled:
            from tandem.adapters.console.sink import console_sink

            opened.append((await stack.enter_async_context(console_sink(patience_s=usual.timeout_s)), usual))
        yield opened
