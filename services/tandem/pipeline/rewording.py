"""What a model makes of a question before it is searched for: standing alone, in other words, with its filter.

This runs where the model is; what needs the store is done where the store is, by `pipeline/understanding.py`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from tandem.domain.context import RequestContext
from tandem.domain.errors import TandemError
from tandem.domain.filters import Filter
from tandem.domain.generation import Prompt
from tandem.domain.query import Query, Wording
from tandem.domain.question import Message, RetrievalOptions
from tandem.domain.text import stems
from tandem.pipeline.course import Course
from tandem.ports.clock import Clock
from tandem.ports.rewriter import Rewriter
from tandem.prompting.rewrites import Rewrites
from tandem.retrieval.pace import Pace
from tandem.retrieval.plan import EXPAND, NO_EXPANSION, NO_SELF_QUERY, SELF_QUERY, STANDALONE, Stage
from tandem.retrieval.reading.told import shown
from tandem.retrieval.rewriting.hypothetical import hypothetical
from tandem.retrieval.rewriting.paraphrases import paraphrases
from tandem.retrieval.rewriting.rewritten import rewritten
from tandem.retrieval.rewriting.self_query import SCHEMA, proposed
from tandem.retrieval.standalone import standalone

Mode = Literal["off", "multi_query", "hyde"]
_ORDER = (STANDALONE, SELF_QUERY, EXPAND)
_FILTER_TOKENS = 120
_QUESTION_TOKENS = 80
# A prompt's template and the marks around it, for what is reserved.
_TEMPLATE_TOKENS = 250
_CHARS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class RewordingDefaults:
    """`mode` is how a question is reworded when that is asked for; `always`: unless the request says no.

    `share` of the time left is the most that all of it takes, `timeout_s` that expansion does, `model_timeout_s` that each
    of the others does. `weight` counts the ranks of what other words found.
    """

    standalone: Literal["rules", "model"] = "rules"
    self_query: Literal["off", "rules", "model"] = "rules"
    mode: Mode = "off"
    always: bool = False
    queries: int = 3
    max_tokens: int = 96
    timeout_s: float = 3.0
    model_timeout_s: float = 2.0
    share: float = 0.25
    weight: float = 0.25
    standalone_prompt: str = "standalone@1"
    self_query_prompt: str = "self-query@1"
    multi_query_prompt: str = "multi-query@1"
    hyde_prompt: str = "hyde@1"


class Rewording:
    """Stages that are not wanted cost nothing; those that fail or come too late leave the question as the rules have it."""

    def __init__(self, rewrites: Rewrites, clock: Clock, defaults: RewordingDefaults | None = None) -> None:
        self._rewrites = rewrites
        self._clock = clock
        self._defaults = defaults or RewordingDefaults()
        self._pace = Pace()

    def stages(self, conversation: Sequence[Message], options: RetrievalOptions) -> tuple[Stage, ...]:
        """Those for which a model is asked, in their order. None when somebody worded the question already."""
        if options.wording is not None:
            return ()
        chosen = self._defaults
        wanted = {
            STANDALONE: chosen.standalone == "model" and any(turn.role == "user" for turn in conversation),
            SELF_QUERY: chosen.self_query == "model" and options.self_query is not False,
            EXPAND: chosen.mode != "off" and (chosen.always if options.expand is None else options.expand),
        }
        return tuple(stage for stage in _ORDER if wanted[stage])

    def tokens(self, question: str, conversation: Sequence[Message], options: RetrievalOptions) -> int:
        """The most that they may take, prompts and all, for what is reserved."""
        written = {STANDALONE: _QUESTION_TOKENS, SELF_QUERY: _FILTER_TOKENS, EXPAND: self._defaults.max_tokens}
        said = len(question) + sum(len(turn.content) for turn in conversation)
        return sum(
            written[stage] + _TEMPLATE_TOKENS + said // _CHARS_PER_TOKEN for stage in self.stages(conversation, options)
        )

    async def worded(
        self,
        question: str,
        conversation: Sequence[Message],
        options: RetrievalOptions,
        context: RequestContext,
        rewriter: Rewriter,
    ) -> tuple[str, RetrievalOptions]:
        """The standalone question, and the options with the model's `wording` when one was asked."""
        alone = standalone(question, conversation)
        stages = self.stages(conversation, options)
        if not stages:
            return alone, options
        course = self._course(context)
        if not await self._available(rewriter, course, stages, options):
            return alone, replace(options, wording=Wording(degraded=tuple(course.degraded)))
        work = _Work(self, rewriter, context, course)
        told: list[str] = []
        if STANDALONE in stages:
            alone = await work.standalone(question, conversation, alone, told, stages)
        filters = await work.filters(alone, told, stages) if SELF_QUERY in stages else ()
        queries = await work.queries(alone, told) if EXPAND in stages else ()
        wording = Wording(queries, filters, tuple(told), tuple(course.degraded), dict(course.timings_s))
        return alone, replace(options, wording=wording)

    @property
    def defaults(self) -> RewordingDefaults:
        """What it was made with."""
        return self._defaults

    def prompt(self, name: str, question: str, conversation: Sequence[Message] = ()) -> Prompt:
        """One of the templates over this question, as of today."""
        today = datetime.fromtimestamp(self._clock.epoch_s(), UTC).strftime("%Y-%m-%d, a %A")
        return self._rewrites.render(name, question, conversation, count=self._defaults.queries, today=today)

    def hurried(self, context: RequestContext) -> RequestContext:
        """The context until its share of the time is over."""
        if context.deadline_s is None:
            return context
        now_s = self._clock.monotonic_s()
        return replace(context, deadline_s=now_s + self._defaults.share * (context.deadline_s - now_s))

    def _course(self, context: RequestContext) -> Course:
        return Course(self._pace, self._clock, self.hurried(context).deadline_s)

    @staticmethod
    async def _available(
        rewriter: Rewriter, course: Course, stages: Sequence[Stage], options: RetrievalOptions
    ) -> bool:
        try:
            if await rewriter.available():
                return True
        except TandemError:
            # It cannot even be asked what it is.
            pass
        if EXPAND in stages:
            course.note(NO_EXPANSION)
        if SELF_QUERY in stages and options.self_query:
            course.note(NO_SELF_QUERY)
        return False


def by_rules(clock: Clock) -> Rewording:
    """Without a model."""
    return Rewording(Rewrites({}), clock, RewordingDefaults())


class _Work:
    """The stages of one question. Each needs what is ahead of it only in so far as time is left for it."""

    def __init__(self, rewording: Rewording, rewriter: Rewriter, context: RequestContext, course: Course) -> None:
        self._rewording = rewording
        self._chosen = rewording.defaults
        self._rewriter = rewriter
        self._context = context
        self._course = course

    async def standalone(
        self, question: str, conversation: Sequence[Message], alone: str, told: list[str], stages: Sequence[Stage]
    ) -> str:
        """The model's wording, the rule's where that cannot be believed."""
        prompt = self._rewording.prompt(self._chosen.standalone_prompt, question, conversation)
        ahead = tuple(stage for stage in stages if stage is not STANDALONE)
        text = await self._written(STANDALONE, prompt, _QUESTION_TOKENS, self._chosen.model_timeout_s, ahead)
        if text is None:
            return alone
        found = rewritten(text, question, conversation)
        if found is None:
            told.append("standalone: the model's wording was not taken, it says what nobody said")
            return alone
        if set(stems(found)) <= set(stems(question)):
            # It added nothing, and the rule may have.
            return alone
        told.append(f"standalone: by {prompt.template}, from {question!r}")
        return found

    async def filters(self, question: str, told: list[str], stages: Sequence[Stage]) -> Filter:
        """What the question says of documents, as the model reads it."""
        prompt = self._rewording.prompt(self._chosen.self_query_prompt, question)
        ahead = tuple(stage for stage in stages if stage is EXPAND)
        text = await self._written(
            SELF_QUERY, prompt, _FILTER_TOKENS, self._chosen.model_timeout_s, ahead, schema=SCHEMA
        )
        if text is None:
            return ()
        found = proposed(text, question)
        if found.fault:
            told.append(f"model: no filter, {found.fault}")
        told.extend(f"model: proposes {shown(condition)}" for condition in found.filters)
        return found.filters

    async def queries(self, question: str, told: list[str]) -> tuple[Query, ...]:
        """The question in other words."""
        chosen = self._chosen
        hyde = chosen.mode == "hyde"
        prompt = self._rewording.prompt(chosen.hyde_prompt if hyde else chosen.multi_query_prompt, question)
        text = await self._written(EXPAND, prompt, chosen.max_tokens, chosen.timeout_s, ())
        if text is None:
            return ()
        if hyde:
            found = hypothetical(text, weight=chosen.weight)
        else:
            found = paraphrases(text, question, most=chosen.queries, weight=chosen.weight)
        told.append(f"expand: {len(found)} by {prompt.template}")
        return found

    async def _written(
        self,
        stage: Stage,
        prompt: Prompt,
        max_tokens: int,
        timeout_s: float,
        ahead: Sequence[Stage],
        *,
        schema: str | None = None,
    ) -> str | None:
        """What the model wrote; None, and noted, when there was no time for it or it failed."""
        if not self._course.fits(stage, ahead):
            return None

        async def write() -> str:
            async with asyncio.timeout(timeout_s):
                return await self._rewriter.write(prompt, self._context, max_tokens=max_tokens, schema=schema)

        try:
            return await self._course.attempt(stage, write, ())
        except TandemError:
            self._course.failed(stage)
            return None
