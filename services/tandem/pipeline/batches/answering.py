"""One line of a batch is answered as it would be online, and waits for what may pass."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tandem.domain.answer import Answered, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import Overloaded, TandemError
from tandem.domain.question import Question
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.whole import Answers, whole
from tandem.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """`completion` is the `chat.completion` as JSON."""

    completion: bytes
    found: Found
    end: Answered


@dataclass(frozen=True, slots=True)
class LineAnswering:
    """Like `pipeline/jobs/attempt.py` without a store: whoever runs it waits himself. `groups` are whose documents may be seen."""

    answers: Answers
    parse: Callable[[bytes], Question]
    render: Callable[[str, int, Found, str, Answered], bytes]
    clock: Clock
    policy: AttemptPolicy
    random: Callable[[], float]
    new_id: Callable[[], str]
    groups: tuple[str, ...] = ()
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def answer(self, body: bytes, request_id: str) -> LineAnswer:
        """Within the policy's `timeout_s`, pauses included. Raises what a request online is refused with, and at once
        `Overloaded` when the day's cap is spent.
        """
        question = self.parse(body)
        began_s = self.clock.monotonic_s()
        attempts = 0
        while True:
            attempts += 1
            try:
                return await self._attempt(question, request_id, began_s + self.policy.timeout_s)
            except TandemError as error:
                since_s = self.clock.monotonic_s() - began_s
                pause = self.policy.after(error, attempts, since_s, self.random())
                if pause is None or _spent(error) or since_s + pause.seconds >= self.policy.timeout_s:
                    raise
                attempts -= 0 if pause.counted else 1
                await self.sleep(pause.seconds)

    async def _attempt(self, question: Question, request_id: str, deadline_s: float) -> LineAnswer:
        receipt = f"rcpt-{self.new_id()}"
        context = RequestContext(request_id, deadline_s=deadline_s, groups=self.groups, answer_id=receipt, mode="batch")
        found, text, end = await whole(self.answers, question, context)
        completion = self.render(receipt, int(self.clock.epoch_s()), found, text, end)
        return LineAnswer(completion, found, end)


def _spent(error: TandemError) -> bool:
    return isinstance(error, Overloaded) and error.spent
