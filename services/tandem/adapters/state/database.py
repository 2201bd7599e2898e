"""Statements in threads beside the event loop, and the database's faults in our own terms."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tandem.adapters.state import schema
from tandem.domain.errors import (
    ConfigurationError,
    DocumentRejected,
    StoreBusy,
    StoreFull,
    TandemError,
    UpstreamFailed,
    UpstreamUnavailable,
)

T = TypeVar("T")
_log = logging.getLogger("tandem.state")
STAGE = "state"


class Database:
    """One engine. `place` is how messages name it: never with its password. Writers may be fewer than readers.

    `check` looks at the schema once, with the first connection that can be made, and raises `ConfigurationError`; to who
    uses the store later that is one that cannot be used now.
    """

    def __init__(
        self,
        engine: Engine,
        place: str,
        readers: Executor,
        writers: Executor,
        check: Callable[[Connection], None] = schema.check,
    ) -> None:
        self._engine = engine
        self._check = check
        self._checked = False
        self._place = place
        self._readers = readers
        self._writers = writers

    async def refuse(self) -> None:
        """Raises `ConfigurationError` for a schema that is not this Tandem's. A store that is away is looked at later."""
        try:
            await self.read(lambda _: None)
        except _Refused as refused:
            raise ConfigurationError(refused.message, hint=refused.hint) from refused
        except UpstreamUnavailable as away:
            _log.warning("%s Answers are given all the same; their records wait.", away.message)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, in a transaction of its own."""
        return await self._run(self._readers, work, writes=False)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """The same, committed when it returns and rolled back when it raises. It runs to its end even when nobody waits."""
        return await self._run(self._writers, work, writes=True)

    def _look(self, connection: Connection) -> None:
        try:
            self._check(connection)
        except ConfigurationError as error:
            raise _Refused(error.message, hint=error.hint, stage=STAGE) from error
        self._checked = True

    async def _run(self, executor: Executor, work: Callable[[Connection], T], *, writes: bool) -> T:
        def within() -> T:
            try:
                with self._engine.connect() as connection:
                    connection.execution_options(tandem_writes=writes)
                    with connection.begin():
                        if not self._checked:
                            self._look(connection)
                        return work(connection)
            except SQLAlchemyError as error:
                raise _fault(error, self._place) from error

        return await asyncio.get_running_loop().run_in_executor(executor, within)


class _Refused(UpstreamUnavailable):
    """The schema is another one's."""


def _fault(error: SQLAlchemyError, place: str) -> TandemError:
    if isinstance(error, PoolTimeout):
        return UpstreamUnavailable(f"The state store at {place} has no connection free.", stage=STAGE)
    said = str(error.orig).strip().splitlines()[0] if isinstance(error, DBAPIError) and error.orig else str(error)
    if isinstance(error, (DataError, IntegrityError)):
        return DocumentRejected(f"The state store at {place} cannot hold this: {said}", reason="unstorable")
    low = said.lower()
    if "locked" in low or "busy" in low:
        return StoreBusy(f"The state store at {place} is held by another process.", hint="Try again in a moment.")
    if "disk is full" in low or "no space left" in low or "disk full" in low:
        return StoreFull(f"No space is left for the state store at {place}.", hint="Make room, or shorten retention.")
    if isinstance(error, (OperationalError, InterfaceError)):
        return UpstreamUnavailable(
            f"The state store at {place} cannot be used: {said}", hint="Is it up, and may we write there?", stage=STAGE
        )
    return UpstreamFailed(f"The state store at {place} failed: {said}", hint="`tandem db status` looks at it.")
