"""A stream followed into a collection: each event takes effect once, in the order of its partition."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.domain.syncing import Failure, StreamPosition
from tandem.pipeline.putting import patiently, plain_errors
from tandem.ports.ingestor import Ingestor
from tandem.ports.stream import Event, Stream


@dataclass(frozen=True, slots=True)
class Applied:
    """An event that has taken effect, or could not."""

    event: Event
    outcome: IngestOutcome


Watch = Callable[[Applied], None]


async def follow(
    ingestor: Ingestor,
    stream: Stream,
    *,
    collection: str,
    context: RequestContext,
    until_end: bool = False,
    watch: Watch = lambda _applied: None,
) -> None:
    """Apply every event behind the positions that the collection remembers; until cancelled, or `until_end`.

    A put is written together with its position and a deletion may come twice, so a reader that is killed at any moment
    and starts again neither loses an event nor applies an old one anew. Of several events of one document in a batch
    only the last is applied: the others would be written over at once. A document that cannot be ingested is remembered
    among the failures, and the stream goes on.

    Raises what concerns the store or the stream and not one document.
    """

    async def positions(partitions: Sequence[int]) -> dict[int, int]:
        return dict(await ingestor.positions(collection, stream.name, partitions, context))

    applying = _Applying(ingestor, stream, collection, context, watch)
    async with stream.batches(positions, until_end=until_end) as batches:
        async for batch in batches:
            await applying.batch(batch)


class _Applying:
    def __init__(
        self, ingestor: Ingestor, stream: Stream, collection: str, context: RequestContext, watch: Watch
    ) -> None:
        self._ingestor = ingestor
        self._stream = stream
        self._collection = collection
        self._context = context
        self._watch = watch

    async def batch(self, events: Sequence[Event]) -> None:
        """Partitions side by side, each in its order."""
        partitions: dict[int, dict[str, Event]] = {}
        for event in events:
            latest = partitions.setdefault(event.partition, {})
            latest.pop(event.document_id, None)
            latest[event.document_id] = event
        with plain_errors():
            async with asyncio.TaskGroup() as group:
                for latest in partitions.values():
                    group.create_task(self._in_order(list(latest.values())))

    async def _in_order(self, events: Sequence[Event]) -> None:
        for event in events:
            self._watch(Applied(event, await self._applied(event)))

    async def _applied(self, event: Event) -> IngestOutcome:
        position = StreamPosition(self._stream.name, event.partition, event.position)
        try:
            if event.fault is not None:
                return await self._failed(event, "unreadable", event.fault, position)
            if event.document is None:
                return await self._deleted(event, position)
            document = replace(event.document, position=position, place=self._stream.place_of(event))
            return await patiently(lambda: self._ingestor.put(self._collection, document, self._context))
        except DocumentRejected as error:
            # The ingestor remembers it, together with the position.
            return IngestOutcome(event.document_id, "failed", reason=error.reason, message=error.message)
        except InvalidRequest as error:
            return await self._failed(event, error.code, error.message, position)

    async def _deleted(self, event: Event, position: StreamPosition) -> IngestOutcome:
        gone = await patiently(
            lambda: self._ingestor.delete(self._collection, event.document_id, self._context, position)
        )
        return IngestOutcome(event.document_id, "removed" if gone else "unchanged")

    async def _failed(self, event: Event, reason: str, message: str, position: StreamPosition) -> IngestOutcome:
        failure = Failure(event.document_id, reason, message, event.document_id, 0.0, self._stream.place_of(event))
        await patiently(lambda: self._ingestor.note_failure(self._collection, failure, self._context, position))
        return IngestOutcome(event.document_id, "failed", reason=reason, message=message)
