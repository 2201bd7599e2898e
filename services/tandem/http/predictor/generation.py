"""A job from its checks to its last token, with the time each part took."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from tandem.domain.context import RequestContext
from tandem.domain.generation import Finished
from tandem.http.predictor.faults import IncompleteGeneration
from tandem.http.predictor.job import Admitted, Job, admit
from tandem.ports.clock import Clock
from tandem.ports.engine import Engine


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of the answer, the `index`th piece of it from 1 on."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: checking, waiting for a slot, and in the model. `total_s` is from start to end."""

    validation_s: float
    queue_s: float
    inference_s: float

    @property
    def total_s(self) -> float:
        """All three."""
        return self.validation_s + self.queue_s + self.inference_s


@dataclass(frozen=True, slots=True)
class End:
    """`last` is the final piece when it was certain to be the final one, else None: the answer ended after it was out."""

    admitted: Admitted
    finished: Finished
    text: str
    pieces: int
    last: str | None
    timings: Timings


@dataclass(frozen=True, slots=True)
class Source:
    """Where generations come from."""

    engine: Engine
    clock: Clock
    new_seed: Callable[[], int]

    async def run(self, job: Job, context: RequestContext) -> AsyncGenerator[Piece | End]:
        """Pieces as they come, then one `End`. Close it to cancel. Raises what the engine does."""
        began_s = self.clock.monotonic_s()
        admitted = await admit(job, self.engine, self.new_seed)
        checked_s = self.clock.monotonic_s()
        said: list[str] = []
        async with admitted.start(self.engine, context) as events:
            entered_s = self.clock.monotonic_s()
            async for event in events:
                if isinstance(event, Finished):
                    last = said[-1] if len(said) == admitted.max_new_tokens else None
                    ended_s = self.clock.monotonic_s()
                    timings = Timings(checked_s - began_s, entered_s - checked_s, ended_s - entered_s)
                    yield End(admitted, event, "".join(said), len(said), last, timings)
                    return
                said.append(event.text)
                # TGI tells the end with the last token. Which is the last is certain only where the length is used up;
                # holding any other back would delay every token by one.
                if len(said) < admitted.max_new_tokens:
                    yield Piece(len(said), event.text)
        raise IncompleteGeneration("The engine's answer was cut short.")
