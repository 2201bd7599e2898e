"""The state store as a part of a backup of everything: its own backup, in pieces."""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent import futures
from contextlib import AbstractAsyncContextManager
from typing import Any, BinaryIO, TypeVar, cast

from sqlalchemy import Connection, func, inspect, select

from tandem.adapters.state import schema
from tandem.adapters.state.backup import back_up
from tandem.adapters.state.backup_format import BackupReader, damaged
from tandem.adapters.state.database import Database
from tandem.adapters.state.restore import restore
from tandem.adapters.state.tables import KEPT
from tandem.domain.errors import ConfigurationError
from tandem.ports.backup import Member, Tell

T = TypeVar("T")
_PIECE = 4_000_000
# Pieces that wait between the thread and the loop.
_WAITING = 2
_Pieces = asyncio.Queue[bytes | None]


class StatePart:
    """`ports/backup.py`'s `Part`. `opened` gives the store with whatever schema it has; it is restored in one transaction."""

    name = "state"

    def __init__(
        self, opened: Callable[[], AbstractAsyncContextManager[Database]], *, there: bool, tandem: str, now: float
    ) -> None:
        self._opened = opened
        self._there = there
        self._tandem = tandem
        self._now = now

    async def about(self) -> Mapping[str, Any] | None:
        """The schema; None where there is no store."""
        return {"schema": schema.HEAD} if self._there else None

    async def taken(self, tell: Tell, counts: dict[str, int]) -> AsyncIterator[Member]:
        """As it is at one instant. Joined, the members are what `tandem db restore` takes."""
        pieces: _Pieces = asyncio.Queue(_WAITING)
        into = _Into(asyncio.get_running_loop(), pieces)

        def work(connection: Connection) -> None:
            made = back_up(connection, cast("BinaryIO", into), tandem=self._tandem, now=self._now, tell=tell)
            into.finish()
            # The names are a kind of text of SQLAlchemy's own.
            counts.update({str(name): rows for name, rows in made.rows.items()})

        async with self._opened() as database, _beside(database.read(work), into.leave) as working:
            number = 0
            while (piece := await _or_ended(pieces.get(), working)) is not None:
                yield Member(f"{number:06d}", piece)
                number += 1
            await working

    async def fits(self, about: Mapping[str, Any]) -> None:
        """Raises `ConfigurationError` for the schema of a newer Tandem."""
        if not schema.knows(str(about.get("schema"))):
            raise ConfigurationError(
                f"The backup's schema {str(about.get('schema'))[:40]} is not known here: a newer Tandem made it.",
                hint="Restore it with that Tandem, or a later one.",
            )

    async def held(self) -> str | None:
        """Rows."""
        async with self._opened() as database:
            held = await database.read(_held)
        return f"the state store has {', '.join(f'{count} {name}' for name, count in held.items())}" if held else None

    async def put_back(self, members: AsyncIterator[Member], tell: Tell, about: Mapping[str, Any]) -> None:
        """See `restore.py`."""
        del about
        pieces: _Pieces = asyncio.Queue(_WAITING)
        source = _From(asyncio.get_running_loop(), pieces)

        def work(connection: Connection) -> None:
            found = BackupReader.opened(cast("BinaryIO", io.BufferedReader(source)))
            restore(connection, found, replace=True, tell=tell)

        async with self._opened() as database, _beside(database.write(work), source.leave) as working:
            async for member in members:
                await _or_ended(pieces.put(member.data), working)
                if working.done():
                    raise damaged("something follows the end of the state store")
            await _or_ended(pieces.put(None), working)
            await working


def _held(connection: Connection) -> dict[str, int]:
    there = [each for each in KEPT if inspect(connection).has_table(each.name)]
    counts = {each.name: connection.execute(select(func.count()).select_from(each)).scalar_one() for each in there}
    return {name: count for name, count in counts.items() if count}


class _Left(Exception):
    """Nobody is at the other end any more."""


class _Bridge:
    """One end is a thread's, the other the event loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pieces: _Pieces) -> None:
        self._loop = loop
        self._pieces = pieces
        self._lock = threading.Lock()
        self._left = False
        self._waiting: futures.Future[Any] | None = None

    def leave(self) -> None:
        """The thread ends with its next piece, also where it waits for one or with one, and when the loop runs no more."""
        with self._lock:
            self._left = True
            if self._waiting is not None:
                self._waiting.cancel()

    def _wait(self, step: Callable[[], Awaitable[T]]) -> T:
        async def stepped() -> T:
            return await step()

        with self._lock:
            if self._left:
                raise _Left
            waiting = asyncio.run_coroutine_threadsafe(stepped(), self._loop)
            self._waiting = waiting
        try:
            return waiting.result()
        except futures.CancelledError:
            raise _Left from None


class _Into(_Bridge):
    """A file to write to, in the thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pieces: _Pieces) -> None:
        super().__init__(loop, pieces)
        self._some = bytearray()

    def write(self, data: bytes | memoryview) -> int:
        """Blocks while nobody takes what was written before."""
        view = bytes(data)
        self._some += view
        if len(self._some) >= _PIECE:
            self.flush_piece()
        return len(view)

    def flush(self) -> None:
        """Pieces are as long as they are."""

    def flush_piece(self) -> None:
        """What there is goes on its way."""
        piece = bytes(self._some)
        self._some.clear()
        if piece:
            self._wait(lambda: self._pieces.put(piece))

    def finish(self) -> None:
        """Nothing follows."""
        self.flush_piece()
        self._wait(lambda: self._pieces.put(None))


class _From(_Bridge, io.RawIOBase):
    """A file to read from, in the thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pieces: _Pieces) -> None:
        super().__init__(loop, pieces)
        self._piece = b""
        self._over = False

    def readable(self) -> bool:
        """It is there for that."""
        return True

    def readinto(self, into: Any) -> int:
        """Blocks until there is something; 0 at the end."""
        while not self._piece and not self._over:
            piece = self._wait(self._pieces.get)
            self._over = piece is None
            self._piece = piece or b""
        view = memoryview(into)
        size = min(len(view), len(self._piece))
        view[:size], self._piece = self._piece[:size], self._piece[size:]
        return size


@contextlib.asynccontextmanager
async def _beside(work: Awaitable[T], leave: Callable[[], None]) -> AsyncIterator["asyncio.Future[T]"]:
    """The work of a thread; who leaves before it is done waits for its end."""
    working = asyncio.ensure_future(work)
    try:
        yield working
    finally:
        # Also when it seems to be done: a loop that ends gives up its tasks, and the thread knows nothing of it.
        leave()
        if not working.done():
            with contextlib.suppress(BaseException):
                await asyncio.shield(working)


async def _or_ended(step: Awaitable[T], working: "asyncio.Future[Any]") -> T:
    """What the step gives; raises what the work raises when that ends before."""
    stepping = asyncio.ensure_future(step)
    try:
        await asyncio.wait({stepping, working}, return_when=asyncio.FIRST_COMPLETED)
        if not stepping.done():
            # Its last piece may have come with its end.
            await asyncio.sleep(0)
        if not stepping.done():
            working.result()
            raise damaged("something follows the end of the state store")
        return stepping.result()
    finally:
        stepping.cancel()
