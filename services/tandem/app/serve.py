"""One process from bind to drain: listen, ingest what was named, serve, and on SIGTERM leave nobody half-answered.

SIGTERM or Ctrl-C: readiness turns red, `drain_delay_s` passes so that endpoints are withdrawn, the listener closes,
running requests get `drain_timeout_s` to end, the parts close in reverse order. A second Ctrl-C does not wait.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from starlette.types import ASGIApp

from tandem.app.files import connections_within, file_limit
from tandem.app.listener import bind, guard, url_of
from tandem.app.places import sources_at
from tandem.app.serving import serving_note
from tandem.app.settings import Settings
from tandem.app.targets import Opened, Target, target_named
from tandem.domain.context import RequestContext
from tandem.domain.errors import ConfigurationError, TandemError
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import Place
from tandem.http.edge.door import Door
from tandem.http.edge.limits import Limits
from tandem.http.edge.server import Server
from tandem.http.lifecycle import Lifecycle
from tandem.ingestion.progress import SyncReport
from tandem.observe.logs import configure_logging
from tandem.pipeline.syncing import Watch, sync
from tandem.ports.ingestor import Ingestor

# Objects made and not freed between two looks for cycles; a request leaves hundreds that live as long as it does.
_COLLECT_EVERY = 10_000
# Young collections before a middle one, which looks at as many times that, all at once.
_MIDDLE_EVERY = 3


class Announce(Protocol):
    """Told what goes on while a process starts and stops."""

    def ingesting(self) -> AbstractContextManager[Watch]:
        """Documents named at start are being read; the watcher gets every event."""
        ...

    def ingested(self, report: SyncReport) -> None:
        """They are in."""
        ...

    def ready(self, target: str, url: str, model: str | None) -> None:
        """Requests are welcome."""
        ...

    def draining(self) -> None:
        """No new requests; the running ones end."""
        ...


@dataclass(frozen=True, slots=True)
class Serving:
    """What one process serves and how it says so. `ingest` holds paths and URLs; `url_file` gets the URL once listening."""

    settings: Settings
    target: str
    ingest: tuple[str, ...]
    url_file: Path | None
    announce: Announce

    async def run(self) -> None:
        """Serve until told to stop. Raises `ConfigurationError` before anything is opened."""
        target = target_named(self.target)
        self._check(target)
        log = self.settings.log
        configure_logging(log.level, log.format, room=log.queue_lines, content=log.content)
        server = self.settings.server
        with bind(server.host, target.port if server.port is None else server.port) as listener:
            guard(listener, write_timeout_s=server.write_timeout_s)
            lifecycle = Lifecycle()
            async with target.open(self.settings, lifecycle) as opened:
                with ExitStack() as notes:
                    if target.owns_store:
                        notes.enter_context(serving_note(self.settings.data_dir, self.target, url_of(listener)))
                    await self._serve(server_of(self.settings, opened.app, lifecycle), listener, opened, lifecycle)

    def _check(self, target: Target) -> None:
        if target.public and self.settings.public_without_keys():
            host = self.settings.server.host
            raise ConfigurationError(
                f"Refusing to listen on {host} without keys: everyone on that network could read the documents.",
                hint="Set auth.mode and auth.keys, bind 127.0.0.1, or pass --allow-unauthenticated.",
            )
        if self.ingest and not target.ingests:
            raise ConfigurationError(f"The {self.target} target takes no documents.", hint="Leave out --ingest.")

    async def _serve(self, server: Server, listener: socket.socket, opened: Opened, lifecycle: Lifecycle) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(self._until_told(server, listener))
                preparing = tasks.create_task(self._prepare(server, opened, lifecycle, url_of(listener)))
                await serving
                preparing.cancel()
        except* TandemError as failures:
            # One of our own is enough to tell; a group is for programs.
            raise failures.exceptions[0] from None

    async def _until_told(self, server: Server, listener: socket.socket) -> None:
        with told_to_leave(partial(self._leave, server)):
            await server.serve(sockets=[listener])

    def _leave(self, server: Server) -> None:
        if server.leave():
            self.announce.draining()

    async def _prepare(self, server: Server, opened: Opened, lifecycle: Lifecycle, url: str) -> None:
        await server.listening.wait()
        if self.url_file is not None:
            self.url_file.write_text(url + "\n")
        if self.ingest and opened.ingestor is not None:
            await self._ingest(opened.ingestor)
        settle()
        lifecycle.ready()
        self.announce.ready(self.target, url, opened.model)

    async def _ingest(self, ingestor: Ingestor) -> None:
        collection = self.settings.retrieval.collection
        context = RequestContext(request_id="startup", groups=(EVERY_GROUP,))
        async with sources_at(self.settings, self.ingest) as places:
            with self.announce.ingesting() as watch:
                report = await sync(ingestor, places, collection=collection, context=context, watch=watch)
            if report.chunks:
                # The next version is built from them.
                await ingestor.versions.came_from(collection, [Place(each.place) for each in places], context)
        self.announce.ingested(report)


def server_of(settings: Settings, app: ASGIApp, lifecycle: Lifecycle) -> Server:
    """What serves an application within the configured limits."""
    chosen = settings.server
    limits = Limits(
        max_connections=connections_within(file_limit(), chosen.max_connections),
        header_timeout_s=chosen.header_timeout_s,
        max_header_bytes=chosen.max_header_bytes,
        write_timeout_s=chosen.write_timeout_s,
    )
    return Server(
        app,
        Door(limits, lifecycle, lifecycle.census),
        drain_delay_s=chosen.drain_delay_s,
        drain_timeout_s=chosen.drain_timeout_s,
    )


@asynccontextmanager
async def beside_work(settings: Settings, app: ASGIApp, lifecycle: Lifecycle, port: int) -> AsyncIterator[None]:
    """Probes and metrics of a process that ends by itself, while the context is open."""
    chosen = settings.server
    with bind(chosen.host, port if chosen.port is None else chosen.port) as listener:
        server = server_of(settings, app, lifecycle)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.listening.wait()
            lifecycle.ready()
            yield
        finally:
            server.should_exit = server.force_exit = True
            await serving


def settle() -> None:
    """What stands by now stays: the collector, which took a ninth of a stream's time, looks at what comes after only."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, _MIDDLE_EVERY)


@contextmanager
def told_to_leave(leave: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `leave`; they are not raised again afterwards, since leaving then is no failure."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
