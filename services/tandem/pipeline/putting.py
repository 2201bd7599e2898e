"""Documents of a source, put one by one and several side by side; what fails is remembered and stops no other."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome
from tandem.domain.errors import DocumentRejected, InvalidRequest, Overloaded, UpstreamUnavailable
from tandem.domain.syncing import DocumentMark, Failure
from tandem.ingestion.progress import Settled, SyncEvent
from tandem.pipeline.room import Room
from tandem.ports.ingestor import Ingestor
from tandem.ports.source import DocumentRef

T = TypeVar("T")

_TRIES = 4
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 10.0
# Documents that need nothing are told of in one breath, yet others get their turn now and then.
_BREATH = 256

# Of documents that are read, parsed and embedded at a time.
_BYTES = 64_000_000

Watch = Callable[[SyncEvent], None]


@dataclass(frozen=True, slots=True)
class Item:
    """A document of a place, and the mark of that place; `acl` are the groups that the run gives it."""

    ref: DocumentRef
    place: str
    origin: str | None
    acl: tuple[str, ...] = ()


class Putting:
    """Into one collection, which holds `known`; those that `failed` last are tried again, whatever it holds of them."""

    def __init__(
        self,
        ingestor: Ingestor,
        collection: str,
        context: RequestContext,
        known: Mapping[str, DocumentMark],
        failed: Collection[str] = (),
    ) -> None:
        self._ingestor = ingestor
        self._collection = collection
        self._context = context
        self._known = known
        self._retried = failed
        self._room = Room(_BYTES)

    async def all(self, items: Sequence[Item], *, width: int, watch: Watch) -> list[IngestOutcome]:
        """One outcome per item, in order."""
        outcomes: dict[int, IngestOutcome] = {}
        waiting = iter(enumerate(items))

        async def work() -> None:
            for index, item in waiting:
                outcomes[index] = self._current(item) or await self._put_in_room(item)
                watch(Settled(outcomes[index], len(outcomes), len(items)))
                if len(outcomes) % _BREATH == 0:
                    await asyncio.sleep(0)

        with plain_errors():
            async with asyncio.TaskGroup() as group:
                for _ in range(min(width, len(items))):
                    group.create_task(work())
        return [outcomes[index] for index in range(len(items))]

    def _current(self, item: Item) -> IngestOutcome | None:
        """An outcome when the collection holds this very version."""
        mark = self._mark(item)
        if mark is None or mark.version is None or mark.version != item.ref.version:
            return None
        return IngestOutcome(mark.id, "unchanged", mark.chunks)

    def _mark(self, item: Item) -> DocumentMark | None:
        """Only of the same place: another may count its versions alike."""
        mark = self._known.get(item.ref.id)
        fits = mark is not None and mark.origin == item.origin and mark.id not in self._retried
        return mark if fits else None

    async def _put_in_room(self, item: Item) -> IngestOutcome:
        async with self._room.taken(item.ref.size or 0):
            return await self._put(item)

    async def _put(self, item: Item) -> IngestOutcome:
        mark = self._mark(item)
        try:
            document = await item.ref.read(None if mark is None else mark.version)
        except DocumentRejected as error:
            return await self._failed(item, error.reason, error.message, error.hint)
        if document is None:
            return IngestOutcome(item.ref.id, "unchanged", 0 if mark is None else mark.chunks)
        try:
            return await patiently(
                lambda: self._ingestor.put(self._collection, replace(document, place=item.place), self._context)
            )
        except DocumentRejected as error:
            # The ingestor remembers it.
            return _outcome(item.ref.id, error.reason, error.message, error.hint)
        except InvalidRequest as error:
            return await self._failed(item, error.code, error.message, error.hint)

    async def _failed(self, item: Item, reason: str, message: str, hint: str | None) -> IngestOutcome:
        outcome = _outcome(item.ref.id, reason, message, hint)
        failure = Failure(item.ref.id, reason, outcome.message or message, item.ref.id, 0.0, item.place, acl=item.acl)
        await self._ingestor.note_failure(self._collection, failure, self._context)
        return outcome


def _outcome(document_id: str, reason: str, message: str, hint: str | None) -> IngestOutcome:
    return IngestOutcome(document_id, "failed", reason=reason, message=f"{message} {hint}" if hint else message)


async def patiently(put: Callable[[], Awaitable[T]]) -> T:
    """A peer that is busy or restarting gets a few more chances: a put or a deletion may be repeated at no harm."""
    for attempt in range(1, _TRIES):
        try:
            return await put()
        except Overloaded as error:
            pause_s = min(error.retry_after_s, _MAX_PAUSE_S)
        except UpstreamUnavailable:
            pause_s = _FIRST_PAUSE_S * 2 ** (attempt - 1)
        await asyncio.sleep(pause_s)
    return await put()


@contextmanager
def plain_errors() -> Iterator[None]:
    """The first failure itself instead of a group of one."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
