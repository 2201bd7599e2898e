"""Clients that ask whether or not they are answered: arrivals at a rate, each on a connection that is free or new."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools


@dataclass(slots=True)
class Answer:
    """Of one request. `first_s` and `whole_s` count from its arrival; `status` 0: none came."""

    who: str
    arrived_s: float
    status: int = 0
    first_s: float = 0.0
    whole_s: float = 0.0
    whole: bool = False
    retry_after_s: int = 0


@dataclass(slots=True)
class Arrivals:
    """Requests a second by client, and what each of them sends."""

    rates: Mapping[str, float]
    requests: Mapping[str, bytes]
    answers: list[Answer] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    def __init__(self, free: list["_Connection"]) -> None:
        self._free = free
        self.transport: asyncio.Transport
        self.answer: Answer | None = None
        self._over: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, wanted: bytes, answer: Answer) -> None:
        self.answer = answer
        self._parser = httptools.HttpResponseParser(self)
        self._tail = b""
        self.transport.write(wanted)

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None:
            return
        if not answer.first_s and b"word0" in data:
            answer.first_s = time.perf_counter() - answer.arrived_s
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.answer is not None and name.lower() == b"retry-after":
            self.answer.retry_after_s = int(value)

    def on_body(self, body: bytes) -> None:
        self._tail = (self._tail + body)[-64:]

    def on_message_complete(self) -> None:
        answer, self.answer = self.answer, None
        if answer is None:
            return
        answer.status = self._parser.get_status_code()
        answer.whole_s = time.perf_counter() - answer.arrived_s
        answer.whole = answer.status == 200 and b"[DONE]" in self._tail
        if self._parser.should_keep_alive():
            self._free.append(self)
        else:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.answer = None
        if self in self._free:
            self._free.remove(self)


async def offer(url: str, arrivals: Arrivals, duration_s: float, *, patience_s: float, seed: int = 7) -> list[Answer]:
    """Poisson arrivals for `duration_s`; then what is still running gets `patience_s`. Every request has its answer here."""
    place, chance = urlsplit(url), random.Random(seed)
    loop = asyncio.get_running_loop()
    names, weights = list(arrivals.rates), list(arrivals.rates.values())
    free: list[_Connection] = []
    made: list[_Connection] = []
    asking: set[asyncio.Task[None]] = set()

    async def dial(who: str, answer: Answer) -> None:
        _, fresh = await loop.create_connection(lambda: _Connection(free), place.hostname or "", place.port or 0)
        made.append(fresh)
        fresh.ask(arrivals.requests[who], answer)

    began_s = time.perf_counter()
    due_s = began_s
    while (due_s := due_s + chance.expovariate(sum(weights))) < began_s + duration_s:
        pause_s = due_s - time.perf_counter()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        who = chance.choices(names, weights)[0]
        answer = Answer(who, time.perf_counter())
        arrivals.answers.append(answer)
        if free:
            free.pop().ask(arrivals.requests[who], answer)
        else:
            asking.add(task := asyncio.create_task(dial(who, answer)))
            task.add_done_callback(asking.discard)
    ends_s = time.perf_counter() + patience_s
    while (asking or any(each.answer for each in made)) and time.perf_counter() < ends_s:
        await asyncio.sleep(0.02)
    for each in made:
        each.transport.abort()
    return arrivals.answers
