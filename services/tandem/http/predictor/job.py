"""One generation: what was asked, what it may take, and the way into the engine."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest
from tandem.domain.generation import GenerationEvent, Prompt
from tandem.domain.question import Message, Sampling
from tandem.http.predictor.limits import check, check_truncate, room
from tandem.http.predictor.requests import Parameters
from tandem.ports.engine import Engine

# The messages came as they are; no template of ours made them.
_UNTEMPLATED = "caller@1"


@dataclass(frozen=True, slots=True)
class Job:
    """`text` is what the model reads: raw, or made by its chat template from `messages`; `json_schema` is what the answer has to be."""

    text: str
    parameters: Parameters
    messages: tuple[Message, ...] | None = None
    streaming: bool = False
    json_schema: str | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A job that fits; `input_tokens` by the engine's tokenizer, `sampling` with nothing left open but its defaults."""

    text: str
    messages: tuple[Message, ...] | None
    input_tokens: int
    max_new_tokens: int
    sampling: Sampling

    def start(
        self, engine: Engine, context: RequestContext
    ) -> AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]:
        """Into the engine; leaving the context cancels it."""
        if self.messages is None:
            return engine.complete(self.text, self.sampling, context)
        return engine.stream(Prompt(self.messages, _UNTEMPLATED), self.sampling, context)


async def admit(job: Job, engine: Engine, new_seed: Callable[[], int]) -> Admitted:
    """Raises `InvalidRequest` in TGI's order: parameters, empty input, truncation, then lengths."""
    check(job.parameters, engine.limits, streaming=job.streaming)
    if not job.text:
        raise InvalidRequest("`inputs` cannot be empty")
    check_truncate(job.parameters, engine.limits)
    text, tokens = await _truncated(job, engine)
    most = room(job.parameters.max_new_tokens, tokens, engine.limits)
    sampling = replace(_sampling(job.parameters, most, new_seed), json_schema=job.json_schema)
    return Admitted(text, job.messages, tokens, most, sampling)


async def _truncated(job: Job, engine: Engine) -> tuple[str, int]:
    tokens = await engine.tokenize(job.text)
    keep = job.parameters.truncate
    if keep is None or len(tokens) <= keep:
        return job.text, len(tokens)
    return job.text[tokens[-keep].start :], keep


def _sampling(asked: Parameters, most: int, new_seed: Callable[[], int]) -> Sampling:
    stop = tuple(asked.stop or ())
    # TGI samples when it is told to, or when a parameter would change the odds; a temperature of 1 does not.
    sampled = asked.do_sample or asked.temperature not in {None, 1} or asked.top_p is not None
    if not sampled:
        return Sampling(max_tokens=most, temperature=0.0, stop=stop)
    return Sampling(
        max_tokens=most,
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=asked.top_p,
        stop=stop,
        seed=new_seed() if asked.seed is None else asked.seed,
    )
