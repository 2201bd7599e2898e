"""One partition of questions that is ours, and the only producer that may say what has become of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from tandem.adapters.sources.kafka_client import FAULTS, put_away
from tandem.adapters.sources.kafka_place import KafkaPlace
from tandem.domain.errors import UpstreamUnavailable
from tandem.ports.question_stream import Headers, Reply

# A transaction has everything when it begins, so it takes milliseconds; readers wait for one that a dead process left
# until the partition's next owner ends it, so long at most.
_TRANSACTION_MS = 20_000
_PUBLISH_S = 30.0
_OPEN_S = 30.0
# The topics' own limits count.
_MOST_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Targets:
    """Where answers go, and (None: there as well) records that have none."""

    answers: str
    dead_letters: str | None = None


class KafkaPartition:
    """Answers and the offset behind their questions, in one transaction each time.

    The transactional id is that of the group and the partition, the same in every process: who opens one makes the broker
    end what an earlier owner left open and refuse whatever it might still send, also one that does not know yet that it
    is not the owner any more. This is the guarantee of Kafka's first exactly-once protocol (KIP-98, and Kafka Streams'
    `exactly_once`), and holds whatever the group's coordinator believes; fencing by the group's generation (KIP-447) is
    nothing that aiokafka speaks: its TxnOffsetCommit is of version 0, without member and generation. The offset to go on
    from has to be asked for after the opening, never before: `next` is set by who does.
    """

    def __init__(self, place: KafkaPlace, partition: int, targets: Targets) -> None:
        self.where = TopicPartition(place.topic, partition)
        self.next = 0
        self.done = 0
        self.lost = False
        self._place = place
        self._targets = targets
        self._producer: Any = AIOKafkaProducer(
            **place.connection(),
            transactional_id=f"tandem/{place.group}/{place.topic}/{partition}",
            transaction_timeout_ms=_TRANSACTION_MS,
            max_request_size=_MOST_BYTES,
        )

    async def open(self) -> None:
        """From then on earlier owners can publish nothing. Raises `UpstreamUnavailable`."""
        try:
            async with asyncio.timeout(_OPEN_S):
                await self._producer.start()
        except FAULTS as error:
            await self.close()
            raise UpstreamUnavailable(f"{self._place.url} takes no answers: {error!r}.", stage="stream") from error

    async def publish(self, replies: Sequence[Reply]) -> None:
        """All of them and the offset, or nothing. Raises `UpstreamUnavailable`; then it is of no use any more."""
        last = replies[-1].posed.position + 1
        try:
            async with asyncio.timeout(_PUBLISH_S):
                await self._producer.begin_transaction()
                sent = [await self._send(reply) for reply in replies]
                # A record that the broker refused does not make the commit fail.
                await asyncio.gather(*sent)
                await self._producer.send_offsets_to_transaction({self.where: last}, self._place.group)
                await self._producer.commit_transaction()
        except FAULTS as error:
            raise UpstreamUnavailable(
                f"{self._place.url}, partition {self.where.partition}: answers were not committed ({error!r}).",
                stage="stream",
            ) from error
        self.done = last

    async def close(self) -> None:
        """What is open is ended by the next owner."""
        await put_away(self._producer, self._producer.client)

    async def _send(self, reply: Reply) -> "asyncio.Future[Any]":
        posed, answers = reply.posed, self._targets.answers
        if reply.failed and self._targets.dead_letters is not None:
            # As it came, and why in a header: it can be put into the topic again once the reason is gone.
            headers = (*reply.headers, ("tandem-error-body", reply.body))
            return await self._told(self._targets.dead_letters, posed.key, posed.body or b"", headers)
        return await self._told(answers, posed.key, reply.body, reply.headers)

    async def _told(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> "asyncio.Future[Any]":
        sent: asyncio.Future[Any] = await self._producer.send(topic, value, key=key, headers=list(headers))
        return sent
