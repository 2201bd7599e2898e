"""Question in, cited answer out: admit, retrieve, prompt, generate, cite, or say that the documents do not tell."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Self

from tandem.admission.quotas import Quotas, Reservation
from tandem.domain.answer import Answered, AnswerEvent, Found, Outcome
from tandem.domain.context import RequestContext
from tandem.domain.errors import DeadlineExceeded, UpstreamFailed
from tandem.domain.generation import Finished, GenerationEvent, Prompt, Token, Usage
from tandem.domain.passage import Retrieval
from tandem.domain.question import Message, Question
from tandem.domain.release import Release
from tandem.pipeline.account import Account
from tandem.pipeline.admitted import Admitted
from tandem.pipeline.caching import AnswerCache, KeptAnswer, no_answers
from tandem.pipeline.dispatching import Asked, Dispatch
from tandem.pipeline.entering import Entrance
from tandem.pipeline.grounding import unavailable
from tandem.pipeline.monitoring import Unmonitored
from tandem.pipeline.releases.choosing import Always, Choice, Chooser, Unreleased
from tandem.pipeline.rewording import Rewording, by_rules
from tandem.pipeline.rewriting import SlotRewriter
from tandem.ports.clock import Clock
from tandem.ports.monitor import Monitor
from tandem.ports.retriever import Retriever
from tandem.ports.rewriter import Rewriter
from tandem.prompting.citations import cite
from tandem.prompting.templates import Templates

ABSTENTION = "I don't know from these documents."
# Said by a model that has nothing to say either.
UNSEARCHED = "The documents cannot be searched at the moment."
# The prompt of an answer when nothing could be searched and the settings let the model answer by itself.
UNAIDED = "unaided@1"
# The prompt of an answer that has none: the conversation goes to the model as it is.
NO_TEMPLATE = "none"
# An estimate for what is reserved before a tokenizer has seen the text; it is settled by the model's own count.
_CHARS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class AnswerDefaults:
    """What holds when the request says nothing.

    `passage_tokens` is the most that passages add to a prompt; without `retrieves` the model is asked as it is.
    """

    prompt: str = "answer@1"
    max_tokens: int = 256
    passage_tokens: int = 1500
    retrieves: bool = True


class Answering:
    """The one flow that every serving mode takes."""

    def __init__(
        self,
        retriever: Retriever,
        dispatch: Dispatch,
        templates: Templates,
        clock: Clock,
        defaults: AnswerDefaults | None = None,
        quotas: Quotas | None = None,
        answers: AnswerCache | None = None,
        rewording: Rewording | None = None,
        monitor: Monitor | None = None,
        releases: Chooser | None = None,
    ) -> None:
        self._retriever = retriever
        self._entrance = Entrance(dispatch, quotas)
        self._templates = templates
        self._clock = clock
        self._defaults = defaults or AnswerDefaults()
        self._answers = answers or no_answers()
        self._rewording = rewording or by_rules(clock)
        self._monitor = monitor or Unmonitored()
        self._releases = releases or Unreleased()

    def by(self, release: Release) -> Self:
        """The same flow, answering everything by one release."""
        alone = copy(self)
        alone._releases = Always(release)  # noqa: SLF001 - it is one of us
        return alone

    @asynccontextmanager
    async def answer(self, question: Question, context: RequestContext) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        """`Found`, tokens, `Answered`. Leaving early cancels what runs upstream and frees the slot.

        Raises what the ports and `Entrance.entered` raise, and `DeadlineExceeded` with the stage that
        ran out of time.
        """
        choice = self._releases.choose(question, context)
        template = self._templates.known(choice.question.prompt or self._defaults.prompt)
        account = Account(question, context, template, self._clock, choice.release)
        try:
            with account:
                async with self._answered(choice, context, account) as events:
                    yield events
        finally:
            self._monitor.take(account)
            if account.end is not None:
                self._releases.answered(choice, question, context)

    @asynccontextmanager
    async def _answered(
        self, choice: Choice, context: RequestContext, account: Account
    ) -> AsyncIterator[AsyncIterator[AnswerEvent]]:
        question = choice.question
        # Nobody waits for what is not asked online.
        background = context.mode != "online"
        asked = asked_of(question, self._defaults, self._rewording, background=background, pools=choice.pools)
        context.progress.stage = "queue"
        async with self._entrance.entered(asked, context) as (bill, admitted):
            account.admitted = admitted
            account.slot_s = self._clock.monotonic_s()
            context.progress.stage = "retrieval"
            timings = {"queue": account.slot_s - account.began_s}
            ground = await self._ground(question, account, context, timings, SlotRewriter(admitted, bill))
            account.prompt, account.template = ground.prompt, ground.template
            if ground.prompt is None:
                yield self._abstain(await ground.found(admitted), timings, account)
                return
            if self._answers.takes(question):
                found = await ground.found(admitted)
                kept = self._answers.find(question, found, context)
                if kept is not None:
                    yield self._repeat(found, kept, timings, account)
                    return
            context.progress.stage = "generation"
            account.asked_s = self._clock.monotonic_s()
            account.sampling = replace(
                question.sampling, max_tokens=question.sampling.max_tokens or self._defaults.max_tokens
            )
            bill.prompt_tokens = _characters(ground.prompt.messages) // _CHARS_PER_TOKEN
            try:
                async with admitted.stream(ground.prompt, account.sampling) as events:
                    found = await ground.found(admitted)
                    yield self._tell(question, found, events, timings, account, admitted, bill, context)
            finally:
                # An answer that was left in the middle has cost what came of it.
                admitted.charge(Usage(bill.prompt_tokens, bill.used - bill.prompt_tokens) if bill.used else None)

    async def _ground(
        self,
        question: Question,
        account: Account,
        context: RequestContext,
        timings: dict[str, float],
        rewriter: Rewriter,
    ) -> "_Ground":
        """What the answer will stand on: passages in a prompt, nothing relevant, or the conversation alone."""
        if not self._defaults.retrieves:
            prompt = Prompt((*question.conversation, Message("user", question.text)), NO_TEMPLATE)
            return _Ground(Retrieval((), 0.0), question.text, NO_TEMPLATE, prompt)
        began_s = account.retrieving_s = self._clock.monotonic_s()
        asked, options = await self._rewording.worded(
            question.text, question.conversation, question.retrieval, context, rewriter
        )
        account.searched = asked
        async with self._stage("retrieval", context):
            retrieval = await self._retriever.retrieve(asked, options, context.within("retrieval"))
        account.retrieval, account.retrieved_s = retrieval, self._clock.monotonic_s()
        timings["retrieval"] = account.retrieved_s - began_s
        if unavailable(retrieval):
            alone = self._templates.render(UNAIDED, question.text, (), question.conversation)
            return _Ground(retrieval, asked, UNAIDED, alone)
        if not retrieval.passages:
            return _Ground(retrieval, asked, account.template, None)
        prompt = self._templates.render(account.template, asked, retrieval.passages, question.conversation)
        return _Ground(retrieval, asked, account.template, prompt)

    def _abstain(self, found: Found, timings: dict[str, float], account: Account) -> AsyncIterator[AnswerEvent]:
        """Nothing relevant was found: the model is not even asked, so its judgement cannot be wrong."""
        end = Answered("abstained", "stop", Usage(0, 0), degraded=found.retrieval.degraded, timings_s=timings)
        return self._known(found, ABSTENTION, end, account)

    def _repeat(
        self, found: Found, kept: KeptAnswer, timings: dict[str, float], account: Account
    ) -> AsyncIterator[AnswerEvent]:
        """The same words over the same passages; nothing was generated, so nothing is billed."""
        degraded = found.retrieval.degraded
        citations = cite(kept.text.strip(), found.retrieval.passages)
        end = Answered("answered", kept.finish_reason, kept.usage, citations, degraded, timings, cached=True)
        return self._known(found, kept.text, end, account)

    async def _known(self, found: Found, text: str, end: Answered, account: Account) -> AsyncIterator[AnswerEvent]:
        """An answer that no model has to be asked for."""
        account.found = found
        yield found
        account.first_s = self._clock.monotonic_s()
        account.said.append(text)
        yield Token(text)
        account.end = end
        yield end

    async def _tell(
        self,
        question: Question,
        found: Found,
        events: AsyncIterator[GenerationEvent],
        timings: dict[str, float],
        account: Account,
        admitted: Admitted,
        bill: Reservation,
        context: RequestContext,
    ) -> AsyncIterator[AnswerEvent]:
        account.found = found
        yield found
        asked_s = account.asked_s or account.began_s
        said = account.said
        async for event in events:
            if isinstance(event, Token):
                if not said:
                    account.first_s = self._clock.monotonic_s()
                    timings["first_token"] = account.first_s - asked_s
                said.append(event.text)
                bill.told(len(said))
                yield event
                continue
            admitted.used(event.usage)
            bill.settle(event.usage.total_tokens)
            timings["generation"] = self._clock.monotonic_s() - asked_s
            end = self._end(question, found, event, timings, "".join(said), context)
            if not said or not "".join(said).strip():
                # A model that has nothing to say has not answered.
                silent = Token(UNSEARCHED if unavailable(found.retrieval) else ABSTENTION)
                if found.prompt != NO_TEMPLATE:
                    said.append(silent.text)
                    yield silent
            account.end = end
            yield end
            return
        raise UpstreamFailed("The model's answer ended without an end.")

    def _end(
        self,
        question: Question,
        found: Found,
        finished: Finished,
        timings: dict[str, float],
        text: str,
        context: RequestContext,
    ) -> Answered:
        """What the whole text amounts to."""
        degraded, reason, usage = found.retrieval.degraded, finished.reason, finished.usage
        if found.prompt == NO_TEMPLATE:
            return Answered("answered", reason, usage, (), degraded, timings)
        answer = text.strip()
        if answer in ("", ABSTENTION):
            return Answered("abstained", reason, usage, degraded=degraded, timings_s=timings)
        alone = unavailable(found.retrieval)
        if not alone:
            self._answers.keep(question, found, context, KeptAnswer(text, reason, usage))
        outcome: Outcome = "ungrounded" if alone else "answered"
        return Answered(outcome, reason, usage, cite(answer, found.retrieval.passages), degraded, timings)

    @asynccontextmanager
    async def _stage(self, name: str, context: RequestContext) -> AsyncIterator[None]:
        left_s = None if context.deadline_s is None else context.deadline_s - self._clock.monotonic_s()
        if left_s is not None and left_s <= 0:
            raise DeadlineExceeded(name)
        try:
            async with asyncio.timeout(left_s):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(name) from error


def asked_of(
    question: Question,
    defaults: AnswerDefaults,
    rewording: Rewording,
    *,
    background: bool,
    pools: frozenset[str] | None = None,
) -> Asked:
    """What the request may take, before any work is done for it."""
    passages = reworded = 0
    if defaults.retrieves:
        passages = defaults.passage_tokens
        reworded = rewording.tokens(question.text, question.conversation, question.retrieval)
    first = question.conversation[0].content if question.conversation else question.text
    return Asked(
        collection=question.retrieval.collection,
        prompt_tokens=told_tokens(question) + passages + reworded,
        answer_tokens=question.sampling.max_tokens or defaults.max_tokens,
        opening=first,
        follows=bool(question.conversation),
        model=question.model,
        pools=pools,
        background=background,
    )


def told_tokens(question: Question) -> int:
    """What the question and its conversation add to a prompt, by an estimate."""
    return (_characters(question.conversation) + len(question.text)) // _CHARS_PER_TOKEN


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


@dataclass(frozen=True, slots=True)
class _Ground:
    retrieval: Retrieval
    question: str
    template: str
    prompt: Prompt | None

    async def found(self, admitted: Admitted) -> Found:
        return Found(self.retrieval, self.question, await admitted.model(), self.template, admitted.route)
