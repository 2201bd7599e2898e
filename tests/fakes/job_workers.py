"""Processes that answer jobs from a queue in a file, forked off one that has everything imported; each line spawns one.

`python -m fakes.job_workers FILE LEDGER`: a process that begins an answer writes the job's id into LEDGER.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from tandem.adapters.state.jobs import StoredJobs
from tandem.adapters.state.sqlite import sqlite_database
from tandem.app.clock import SystemClock
from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.context import RequestContext
from tandem.domain.generation import ModelCard, Token, Usage
from tandem.domain.passage import Retrieval
from tandem.domain.question import Question
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.jobs.attempt import Attempting
from tandem.pipeline.jobs.running import Runner, RunnerPolicy

FOUND = Found(Retrieval((), 0.0), "q", ModelCard("m", "m", 1), "answer@1")
TOKENS = 4


class _Answers:
    """Some words, each after up to `pause_s`."""

    def __init__(self, ledger: Path, pause_s: float) -> None:
        self._ledger = ledger
        self._pause_s = pause_s
        self._chance = random.Random()

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        with self._ledger.open("a") as file:
            file.write(f"{context.request_id}\n")

        async def events() -> AsyncIterator[AnswerEvent]:
            yield FOUND
            for number in range(TOKENS):
                await asyncio.sleep(self._chance.uniform(0, self._pause_s))
                yield Token(f"{number} ")
            yield Answered("answered", "stop", Usage(1, TOKENS))

        yield events()


class _Uncounted:
    def ended(self, status: str) -> None: ...

    def put_back(self, reason: str) -> None: ...

    def waited(self, seconds: float) -> None: ...


def _rendered(receipt: str, _: int, __: Found, text: str, ___: Answered) -> bytes:
    return json.dumps([receipt, text]).encode()


async def _work(file: Path, ledger: Path, pause_s: float = 0.04, lease_s: float = 0.5) -> None:
    clock = SystemClock()
    async with sqlite_database(file, migrate=False) as database:
        jobs = StoredJobs(database, clock)
        attempting = Attempting(
            jobs,
            _Answers(ledger, pause_s),
            lambda body: Question(json.loads(body)["messages"][-1]["content"]),
            _rendered,
            clock,
            AttemptPolicy(first_s=0.05),
            _Uncounted(),
            random.random,
            lambda: uuid4().hex,
        )
        policy = RunnerPolicy(4, lease_s=lease_s, look_s=0.05)
        await Runner(jobs, attempting, clock, policy, worker=uuid4().hex).run()


def main() -> None:
    """Fork at every line, and say which process it is."""
    file, ledger = map(Path, sys.argv[1:])
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            asyncio.run(_work(file, ledger))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
