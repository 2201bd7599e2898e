"""A Kafka topic that is followed: a record puts the document of its key, one without a value deletes it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from tandem.adapters.sources.kafka_client import put_away_consumer
from tandem.adapters.sources.kafka_place import KafkaPlace
from tandem.adapters.sources.origin import origin
from tandem.domain.document import RawDocument
from tandem.domain.errors import InvalidRequest, UpstreamUnavailable
from tandem.domain.syncing import StreamPosition
from tandem.ports.stream import Event, Positions

SCHEME = "kafka"
# Records taken at a time: their documents are in memory together.
_BATCH = 64
_POLL_MS = 500
_WAIT_S = 0.05
_RECORD_S = 10.0


class KafkaStream:
    """`ports/stream.py` for a topic.

    Members of one group share the partitions. Nothing is committed at the broker: how far each partition has taken
    effect is kept with the documents, and the reader starts behind that. Record headers may say `content-type`, `title`,
    `source`, `author`, `path`, `tags` and `acl` (comma separated).
    """

    def __init__(self, place: KafkaPlace, *, max_document_bytes: int = 50_000_000) -> None:
        self._where = place
        self._topic = place.topic
        self._place = place.url
        self._max_bytes = max_document_bytes

    @property
    def name(self) -> str:
        """`kafka:` and the topic: brokers may move, positions stay."""
        return f"{SCHEME}:{self._topic}"

    def place_of(self, event: Event) -> str:
        """The topic's URL with the record's partition and offset."""
        return f"{self._place}?partition={event.partition}&offset={event.position}"

    async def record(self, partition: int, offset: int) -> Event | None:
        """One record, without following; None when the broker does not keep it any more."""
        consumer = self._consumer(alone=True)
        await self._start(consumer)
        try:
            where = TopicPartition(self._topic, partition)
            consumer.assign([where])
            consumer.seek(where, offset)
            async with asyncio.timeout(_RECORD_S):
                record = await consumer.getone(where)
            return self._event(record) if record.offset == offset else None
        except TimeoutError:
            return None
        except KafkaError as error:
            raise UpstreamUnavailable(f"{self._place} failed: {error}.", stage="source") from error
        finally:
            await put_away_consumer(consumer)

    @asynccontextmanager
    async def batches(
        self, positions: Positions, *, until_end: bool = False
    ) -> AsyncIterator[AsyncIterator[Sequence[Event]]]:
        """See the port. A partition that goes to another member is let go of between two batches only."""
        consumer = self._consumer()
        await self._start(consumer)
        try:
            await self._check(consumer)
            assigned = _Assigned(consumer, positions)
            consumer.subscribe([self._topic], listener=assigned)
            yield self._read(consumer, assigned, until_end=until_end)
        except KafkaError as error:
            raise UpstreamUnavailable(f"{self._place} failed: {error}.", stage="source") from error
        finally:
            await put_away_consumer(consumer)

    async def _start(self, consumer: Any) -> None:
        try:
            await consumer.start()
        except (KafkaConnectionError, OSError) as error:
            await put_away_consumer(consumer)
            raise UpstreamUnavailable(f"{self._place} cannot be reached: {error}.", stage="source") from error

    def _consumer(self, *, alone: bool = False) -> Any:
        return AIOKafkaConsumer(
            **self._where.connection(),
            group_id=None if alone else self._where.group,
            enable_auto_commit=False,
            auto_offset_reset="none" if alone else "earliest",
            isolation_level="read_committed",
            max_poll_records=_BATCH,
            max_partition_fetch_bytes=max(1_048_576, self._max_bytes),
        )

    async def _check(self, consumer: Any) -> None:
        if self._topic not in await consumer.topics():
            raise InvalidRequest(f"There is no topic {self._topic!r} at {','.join(self._where.servers)}.", param="path")

    async def _read(self, consumer: Any, assigned: "_Assigned", *, until_end: bool) -> AsyncIterator[Sequence[Event]]:
        await assigned.began.wait()
        ends: dict[TopicPartition, int] = {}
        while True:
            async with assigned.working:
                # The end of what came to this reader is told once for each partition.
                new = [each for each in consumer.assignment() if each not in ends]
                if until_end and new:
                    ends |= await consumer.end_offsets(new)
                records = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
                for partition, found in records.items():
                    if found:
                        yield [self._event(record) for record in found if record.offset < ends.get(partition, 2**63)]
                if until_end and await _at_end(consumer, ends):
                    return
            if not records:
                await asyncio.sleep(_WAIT_S)

    def _event(self, record: ConsumerRecord) -> Event:
        at_s, place = record.timestamp / 1000, (record.partition, record.offset)
        try:
            document_id = (record.key or b"").decode()
        except UnicodeDecodeError:
            document_id = ""
        if not document_id:
            named = f"{self._topic}/{record.partition}/{record.offset}"
            return Event(*place, named, at_s, fault="The record has no key that could be a document's id.")
        if record.value is None:
            return Event(*place, document_id, at_s)
        if len(record.value) > self._max_bytes:
            said = f"The document has {len(record.value):,} bytes; {self._max_bytes:,} are allowed."
            return Event(*place, document_id, at_s, fault=said)
        return Event(*place, document_id, at_s, document=self._document(document_id, record, at_s))

    def _document(self, document_id: str, record: ConsumerRecord, at_s: float) -> RawDocument:
        said = {name.lower(): value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
        return RawDocument(
            document_id,
            record.value,
            said.get("source") or document_id,
            said.get("content-type"),
            said.get("title"),
            modified_at=at_s,
            tags=_words(said.get("tags")),
            author=said.get("author"),
            path=said.get("path"),
            acl=_words(said.get("acl")),
            origin=origin("stream", self.name),
            changed_at=at_s,
            position=StreamPosition(self.name, record.partition, record.offset),
        )


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]
    """Starts each partition behind what has taken effect, and lets none go while one of its records is dealt with."""

    def __init__(self, consumer: Any, positions: Positions) -> None:
        self._consumer = consumer
        self._positions = positions
        self.working = asyncio.Lock()
        self.began = asyncio.Event()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Before another member gets them."""
        async with self.working:
            del revoked

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Before the first record of any of them."""
        reached: Mapping[int, int] = await self._positions([each.partition for each in assigned])
        for each in assigned:
            if each.partition in reached:
                self._consumer.seek(each, reached[each.partition] + 1)
            else:
                await self._consumer.seek_to_beginning(each)
        self.began.set()


async def _at_end(consumer: Any, ends: Mapping[TopicPartition, int]) -> bool:
    return all([await consumer.position(each) >= ends[each] for each in consumer.assignment() if each in ends])


def _words(said: str | None) -> tuple[str, ...]:
    return tuple(word for each in (said or "").split(",") if (word := each.strip()))
