"""A batch answered in this process: the parts that answer behind the API, over lines instead of requests."""

import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

from tandem.app import parts, pools
from tandem.app.answerers import answerers
from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.app.surface import answer_defaults, surface
from tandem.app.templates import template_sources
from tandem.app.traffic import tenants
from tandem.app.wording import rewording
from tandem.domain.batch_line import BatchLine
from tandem.domain.context import DEFAULT_TENANT
from tandem.domain.errors import Overloaded, TandemError, UpstreamUnavailable
from tandem.domain.groups import EVERY_GROUP
from tandem.domain.lineage import base_of
from tandem.domain.question import Question
from tandem.generation.pools import PoolPolicy
from tandem.http.errors import error_body, internal_error, status_of
from tandem.http.lifecycle import Lifecycle
from tandem.http.routers.chat import ALIAS
from tandem.http.wire.batch_lines import answered_line, fault_line, refused_line
from tandem.http.wire.jobs import completion_of, question_of
from tandem.pipeline.answering import asked_of
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.batches.answering import LineAnswering
from tandem.pipeline.batches.estimate import Estimate, estimate
from tandem.pipeline.batches.lines import with_defaults
from tandem.prompting.templates import Templates

_log = logging.getLogger("tandem.batches")
_TARGET = "batch"
# Somebody sits before it: what is away is looked for more often than behind a queue.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a line: `raw` for the output file, or for the error file where it `failed`.

    `spent`: the day's cap leaves no more; nothing came of it, and nothing will of others. `away`: there was no model to ask.
    """

    raw: bytes
    failed: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    spent: bool = False
    away: bool = False


class Answerer:
    """Answers lines of one batch. `defaults` is what a line's `tandem` object gets where it says nothing."""

    def __init__(self, answering: LineAnswering, policies: dict[str, PoolPolicy], defaults: dict[str, str]) -> None:
        self._answering = answering
        self._policies = policies
        self._defaults = defaults

    async def done(self, line: BatchLine) -> Done:
        """Never raises for what is wrong with a line."""
        if line.fault is not None or line.body is None or line.custom_id is None:
            return faulty(line)
        request_id = uuid4().hex
        try:
            answer = await self._answering.answer(with_defaults(line.body, self._defaults), request_id)
        except TandemError as error:
            return _refused(line.custom_id, request_id, error)
        except Exception:  # noqa: BLE001 - online it would end this request alone, too
            _log.exception("a line of the batch failed", extra={"request_id": request_id})
            return _refused(line.custom_id, request_id, internal_error())
        usage = answer.end.usage
        raw = answered_line(line_id(), line.custom_id, request_id, answer.completion)
        done = Done(raw, prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens)
        policy = self._policies.get(answer.found.route.pool)
        if answer.end.cached or policy is None:
            return done
        return replace(done, cost=policy.cost(usage.prompt_tokens, usage.completion_tokens))


@asynccontextmanager
async def answerer(settings: Settings, defaults: dict[str, str], *, timeout_s: float) -> AsyncIterator[Answerer]:
    """Left, every answer's record is on the disk."""
    clock = SystemClock()
    async with surface(settings, Lifecycle(), _TARGET) as front, answerers(settings, front) as behind:
        answering = LineAnswering(
            behind.answering,
            _parse(settings),
            completion_of,
            clock,
            AttemptPolicy(settings.jobs.max_attempts, _FIRST_PAUSE_S, _LONGEST_PAUSE_S, timeout_s),
            # Jitter needs no secrecy.
            random.random,
            lambda: uuid4().hex,
            # Who can open the store's files can read them all.
            groups=(EVERY_GROUP,),
        )
        policies = {policy.name: policy for policy in map(pools.pool_policy, parts.described_pools(settings))}
        yield Answerer(answering, policies, defaults)


class Estimator:
    """What lines may take, from the settings alone: nothing is opened, nobody is asked."""

    def __init__(self, settings: Settings, defaults: dict[str, str]) -> None:
        templates = Templates(template_sources(settings.prompts_dir))
        self._templates = templates
        self._defaults = defaults
        self._parse = _parse(settings)
        self._answer_defaults = answer_defaults(settings, templates)
        self._rewording = rewording(settings, SystemClock())
        self._pools = [policy for policy in map(pools.pool_policy, parts.described_pools(settings)) if policy.answers]
        self._tenant = tenants(settings.tenants, settings.default_tenant).of(DEFAULT_TENANT)
        self._regions = {name: policy.regions for name, policy in settings.collections.items()}

    @property
    def priced(self) -> bool:
        """True when any pool has a price."""
        return any(pool.cost(1, 1) > 0 for pool in self._pools)

    def estimate(self, body: bytes) -> Estimate:
        """Of one line. Raises what it would be refused with, as far as that can be told."""
        question = self._parse(with_defaults(body, self._defaults))
        self._templates.known(question.prompt or self._answer_defaults.prompt)
        asked = asked_of(question, self._answer_defaults, self._rewording, background=True)
        residencies = self._tenant.regions, self._regions.get(base_of(asked.collection))
        allowed = [
            pool for pool in self._pools if all(regions is None or pool.region in regions for regions in residencies)
        ]
        return estimate(question, asked, allowed)


def faulty(line: BatchLine) -> Done:
    """Of a line that is no request."""
    if line.fault is None:
        raise ValueError("it is sound")
    return Done(fault_line(line_id(), line.number, line.custom_id, line.fault), line.fault.code)


def line_id() -> str:
    """As OpenAI writes it."""
    return f"batch_req_{uuid4().hex}"


def _refused(custom_id: str, request_id: str, error: TandemError) -> Done:
    raw = refused_line(line_id(), custom_id, request_id, status_of(error), error_body(error))
    spent = isinstance(error, Overloaded) and error.spent
    return Done(raw, error.code, spent=spent, away=isinstance(error, UpstreamUnavailable))


def _parse(settings: Settings) -> partial[Question]:
    return partial(question_of, collection=settings.retrieval.collection, alias=ALIAS)
