"""A Kafka topic of questions, whose answers go into another topic together with the offsets they are for."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError

from tandem.adapters.sources.kafka_client import FAULTS, put_away_consumer
from tandem.adapters.sources.kafka_partition import KafkaPartition, Targets
from tandem.adapters.sources.kafka_place import KafkaPlace
from tandem.domain.errors import InvalidRequest, UpstreamUnavailable
from tandem.pipeline.putting import plain_errors
from tandem.ports.question_stream import Lost, Posed, Reply

_log = logging.getLogger("tandem.streams")
_POLL_S = 0.2
# A broker that is away is asked so often, and each time is a line in the log.
_BACKOFF_MS = 500
# What is being published when partitions are given up ends first; a broker that does not answer is not waited for longer.
_GIVE_UP_S = 15.0


class KafkaQuestions:
    """`ports/question_stream.py`: members of one group share the partitions, each answer is committed with its offset.

    Read and written are committed records only. `KafkaPartition` says what keeps two owners from answering one question.
    """

    def __init__(self, place: KafkaPlace, targets: Targets) -> None:
        self._place = place
        self._targets = targets

    @asynccontextmanager
    async def open(self, lost: Lost) -> AsyncIterator["_Open"]:
        """See the port."""
        consumer: Any = AIOKafkaConsumer(
            **self._place.connection(),
            group_id=self._place.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            retry_backoff_ms=_BACKOFF_MS,
        )
        opened = _Open(consumer, self._place, self._targets, lost)
        try:
            with _translated(self._place.url):
                await consumer.start()
                await self._check(consumer)
                consumer.subscribe([self._place.topic], listener=opened)
            yield opened
        finally:
            await opened.close()
            await put_away_consumer(consumer)

    async def _check(self, consumer: Any) -> None:
        there = await consumer.topics()
        for topic in (self._place.topic, self._targets.answers, self._targets.dead_letters):
            if topic is not None and topic not in there:
                raise InvalidRequest(
                    f"There is no topic {topic!r} at {','.join(self._place.servers)}.",
                    hint="Make it, or let this client see it.",
                    param="place",
                )


class _Open(ConsumerRebalanceListener):  # type: ignore[misc]
    """Partitions that stay ours over a rebalance keep their producer and what is in hand of them.

    While it is not settled whose the partitions are, nothing is taken and no transaction begins.
    """

    def __init__(self, consumer: Any, place: KafkaPlace, targets: Targets, lost: Lost) -> None:
        self._consumer = consumer
        self._place = place
        self._targets = targets
        self._lost = lost
        self._ours: dict[int, KafkaPartition] = {}
        self._assigned: frozenset[int] = frozenset()
        self._assignments = self._settled_for = 0
        self._settled = asyncio.Event()
        self._publishing: set[asyncio.Task[None]] = set()
        self._moving = False

    @property
    def behind(self) -> int:
        """See the port; the ends of transactions count as records."""
        return sum(max(0, self._end(each) - each.done) for each in self._ours.values())

    async def take(self, most: int, full: Collection[int] = ()) -> Sequence[Posed]:
        """See the port."""
        with _translated(self._place.url):
            if self._assignments != self._settled_for and not self._moving:
                await self._settle()
            if not self._settled.is_set():
                await asyncio.sleep(_POLL_S)
                return ()
            try:
                self._pause([each for each in self._ours if not most or each in full])
                found = await self._consumer.getmany(timeout_ms=int(_POLL_S * 1000), max_records=most or 1)
            except IllegalStateError:
                # They went to somebody else this very moment.
                return ()
            return [posed for records in found.values() for record in records for posed in self._posed(record)]

    async def publish(self, partition: int, replies: Sequence[Reply]) -> bool:
        """See the port."""
        ours = self._ours.get(partition)
        await self._settled.wait()
        if ours is None or ours.lost:
            return False
        work = asyncio.create_task(ours.publish(replies))
        self._publishing.add(work)
        work.add_done_callback(self._publishing.discard)
        await work
        return True

    async def on_partitions_revoked(self, _: Collection[TopicPartition]) -> None:
        """All of them, each time, whether they come back or not."""
        self._moving = True
        self._settled.clear()
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=_GIVE_UP_S)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """What has to be done about it is done by `take`, while the membership is kept up."""
        self._assigned = frozenset(each.partition for each in assigned)
        self._assignments += 1
        self._moving = False

    async def close(self) -> None:
        """Nothing of it is ours any more."""
        self._settled.clear()
        await asyncio.gather(*(each.close() for each in self._ours.values()))
        self._ours.clear()

    async def _settle(self) -> None:
        number, assigned = self._assignments, self._assigned
        await self._give_up([each for each in self._ours if each not in assigned])
        new = [KafkaPartition(self._place, each, self._targets) for each in assigned if each not in self._ours]
        try:
            with plain_errors():
                async with asyncio.TaskGroup() as opening:
                    for each in new:
                        opening.create_task(self._opened(each))
        except BaseException:
            await asyncio.gather(*(each.close() for each in new))
            raise
        self._ours |= {each.where.partition: each for each in new}
        if number != self._assignments or self._moving:
            return
        for each in self._ours.values():
            self._consumer.seek(each.where, each.next)
        self._settled_for = number
        self._settled.set()
        _log.info("%s: partitions %s are ours", self._place.url, sorted(self._ours))

    async def _opened(self, partition: KafkaPartition) -> None:
        await partition.open()
        # Not before: what an earlier owner began is committed or undone only now.
        done = await self._consumer.committed(partition.where)
        if done is None:
            done = (await self._consumer.beginning_offsets([partition.where]))[partition.where]
        partition.next = partition.done = done

    async def _give_up(self, partitions: Collection[int]) -> None:
        if not partitions:
            return
        gone = [self._ours.pop(each) for each in partitions]
        for each in gone:
            each.lost = True
        self._lost(partitions)
        await asyncio.gather(*(each.close() for each in gone))

    def _pause(self, full: Collection[int]) -> None:
        paused = {each.partition for each in self._consumer.paused()}
        for partition, ours in self._ours.items():
            if partition in full and partition not in paused:
                self._consumer.pause(ours.where)
            elif partition not in full and partition in paused:
                self._consumer.resume(ours.where)

    def _posed(self, record: ConsumerRecord) -> Iterator[Posed]:
        ours = self._ours.get(record.partition)
        # One that came while the partitions changed hands comes again, from where its partition is.
        if not self._settled.is_set() or ours is None or record.offset < ours.next:
            return
        ours.next = record.offset + 1
        headers = tuple((name, value) for name, value in record.headers if value is not None)
        yield Posed(
            record.topic, record.partition, record.offset, record.value, record.key, headers, record.timestamp / 1000
        )

    def _end(self, partition: KafkaPartition) -> int:
        """Of the topic's, as far as it was told; until then nothing is behind."""
        known = partition.where in self._consumer.assignment()
        end: int | None = self._consumer.highwater(partition.where) if known else None
        return partition.done if end is None else end


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except FAULTS as error:
        raise UpstreamUnavailable(f"{url} failed: {error!r}.", stage="stream") from error
