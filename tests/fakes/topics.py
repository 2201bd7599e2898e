"""Topics of a broker as a test needs them: made, written to, and read as those read who see only what is committed."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

Header = tuple[str, bytes]


def chat(text: str, **more: Any) -> bytes:
    """A question as a record has it."""
    return json.dumps({"messages": [{"role": "user", "content": text}], **more}).encode()


@dataclass(frozen=True)
class Topics:
    """One topic of questions, one of answers, one of what has none."""

    broker: str
    questions: str
    answers: str
    dead_letters: str
    partitions: int = 2

    @property
    def place(self) -> str:
        return f"kafka://{self.broker}/{self.questions}?group=g-{self.questions}"

    async def ask(
        self,
        *bodies: bytes | None,
        headers: Sequence[Header] = (),
        partition: int | None = None,
        key: bytes | None = None,
        first: int = 0,
    ) -> None:
        """All under one key, or each under its own, counted from `first` on."""
        producer = AIOKafkaProducer(bootstrap_servers=self.broker)
        await producer.start()
        try:
            for number, body in enumerate(bodies, first):
                await producer.send_and_wait(
                    self.questions, body, key=key or b"k%d" % number, headers=list(headers), partition=partition
                )
        finally:
            await producer.stop()

    async def told(self, topic: str, *, committed: bool = True) -> list[ConsumerRecord]:
        """All that is there now."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.broker,
            auto_offset_reset="earliest",
            isolation_level="read_committed" if committed else "read_uncommitted",
        )
        await consumer.start()
        try:
            parts = [TopicPartition(topic, each) for each in range(self.partitions)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(20):
                while any([await consumer.position(each) < ends[each] for each in parts]):
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += records
            return found
        finally:
            await consumer.stop()

    async def until(self, topic: str, number: int, within_s: float = 120) -> list[ConsumerRecord]:
        """As soon as there are so many."""
        async with asyncio.timeout(within_s):
            while len(found := await self.told(topic)) < number:
                await asyncio.sleep(0.2)
        return found


async def topics(broker: str, partitions: int = 2) -> Topics:
    """Three new ones."""
    name = uuid4().hex
    made = Topics(broker, f"q{name}", f"a{name}", f"d{name}", partitions)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(each, partitions, 1) for each in (made.questions, made.answers, made.dead_letters)]
        )
    finally:
        await admin.close()
    return made
