"""What stands for models in a simulation: replicas of an engine behind one address, or a provider's endpoint."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, Overloaded
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Sampling
from tandem.generation.pools import PoolPolicy
from tandem.platform.plan.arrivals import Arrivals
from tandem.platform.plan.engines import ServiceTimes
from tandem.platform.plan.prices import Api
from tandem.platform.plan.replica import Job, Replica

_TOKEN = Token("")
# The default of tandem.yaml's `admission.max`.
MOST_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Place:
    """A pool in a window: so many replicas of an engine, or a provider's endpoint. `most` requests of one gateway at a time."""

    policy: PoolPolicy
    initial: int
    most: int = MOST_AT_ONCE
    replicas: int = 0
    times: ServiceTimes | None = None
    api: Api | None = None


class Servers:
    """`Server` over replicas behind one address, which spreads connections by chance; or over a provider's endpoint."""

    def __init__(self, place: Place, replicas: list[Replica], arrivals: Arrivals, chance: random.Random) -> None:
        self._place = place
        self._replicas = replicas
        self._arrivals = arrivals
        self._chance = chance
        self._loop = asyncio.get_running_loop()

    async def card(self) -> ModelCard:
        """Declared."""
        return ModelCard("plan", "plan", 1)

    async def probe(self) -> None:
        """Always up."""

    @asynccontextmanager
    async def stream(
        self,
        prompt: Prompt,  # noqa: ARG002 - the port's
        sampling: Sampling,  # noqa: ARG002
        context: RequestContext,
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """One event for the first token, one for the end."""
        number = int(context.request_id)
        prompt_tokens, answer_tokens = float(self._arrivals.prompts[number]), float(self._arrivals.answers[number])
        if self._place.api is not None:
            yield self._from_api(self._place.api, prompt_tokens, answer_tokens, context)
            return
        replica = self._chance.choice(self._replicas) if len(self._replicas) > 1 else self._replicas[0]
        if replica.full and replica.times.sheds:
            raise Overloaded("The model is full.")
        job = Job(prompt_tokens, answer_tokens, self._loop.create_future(), self._loop.create_future())
        replica.take(job)
        yield self._events(job, context)

    async def _events(self, job: Job, context: RequestContext) -> AsyncIterator[GenerationEvent]:
        await job.first
        self._in_time(context)
        yield _TOKEN
        await job.last
        self._in_time(context)
        yield Finished("stop", Usage(int(job.prompt_tokens), int(job.answer_tokens)))

    async def _from_api(
        self, api: Api, prompt_tokens: float, answer_tokens: float, context: RequestContext
    ) -> AsyncIterator[GenerationEvent]:
        factor, pace = (self._chance.lognormvariate(-(api.spread**2) / 2, api.spread) for _ in range(2))
        await asyncio.sleep(api.first_token_s * factor)
        yield _TOKEN
        await asyncio.sleep((answer_tokens - 1) / api.tokens_per_s * pace)
        self._in_time(context)
        yield Finished("stop", Usage(int(prompt_tokens), int(answer_tokens)))

    def _in_time(self, context: RequestContext) -> None:
        if context.deadline_s is not None and self._loop.time() > context.deadline_s:
            raise DeadlineExceeded("generation")
