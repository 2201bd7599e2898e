"""A share of the answers is put to a model that judges them, in the background, within a budget."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tandem.admission.bucket import Bucket
from tandem.admission.quotas import Reservation
from tandem.domain.context import RequestContext
from tandem.domain.errors import Preempted, TandemError
from tandem.domain.record import AnswerRecord
from tandem.pipeline.dispatching import Asked, Dispatch
from tandem.pipeline.rewriting import SlotRewriter
from tandem.ports.clock import Clock
from tandem.prompting.judging import MAX_TOKENS, SCHEMA, judgement, verdict

Looked = Literal["judged", "unreadable", "failed", "over_budget", "over_rate"]
# Of a busy pool: what waited so long is left.
_LATE_S = 120.0
# The receipt comes another way, and may come a little later.
_PLACED_AFTER_S = 2.0
_CHARS_PER_TOKEN = 3
_DAY_S = 86_400
# A bucket holds a minute of them: of a burst no more than this is judged at once.
_MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class JudgePolicy:
    """`pool` judges the `share` 0…1 of the answers, at most so many a minute and a day; None: no cap.

    `cost_per_day` is in the currency of the pool's prices; `timeout_s` is one judgement's.
    """

    pool: str
    share: float
    per_minute: int
    tokens_per_day: int | None
    cost_per_day: float | None
    timeout_s: float


class Verdicts(Protocol):
    """Where judgements go; the store of receipts is one."""

    async def judged(self, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
        """Add these to the scores of the receipt; False when it is not there. Raises what the store raises."""
        ...


class Unplaced:
    """`Verdicts` where no receipts are kept: the metrics have them."""

    async def judged(self, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
        """There is nothing to add them to."""
        del tenant, receipt_id, scores
        return True


class JudgeMeter(Protocol):
    """Where judging is counted."""

    def looked(self, how: Looked) -> None:
        """One of the sampled answers."""
        ...

    def spent(self, tokens: int, cost: float) -> None:
        """What a judgement took."""
        ...

    def scored(self, scores: Mapping[str, float]) -> None:
        """What it said."""
        ...


class Judging:
    """`ports/sink.py`: reads records as sinks do, so that a restart judges no answer twice and forgets none.

    It never holds the spool up: what cannot be judged now is counted and left. Only answers whose texts are kept are
    judged, by a pool that their tenant's and collection's residency allows, behind everybody who waits for an answer.
    """

    def __init__(
        self, dispatch: Dispatch, policy: JudgePolicy, verdicts: Verdicts, meter: JudgeMeter, clock: Clock
    ) -> None:
        self._dispatch = dispatch
        self._policy = policy
        self._verdicts = verdicts
        self._meter = meter
        self._clock = clock
        self._rate = Bucket(policy.per_minute, at_s=clock.monotonic_s())
        self._day = -1
        self._tokens = 0
        self._cost = 0.0

    @property
    def name(self) -> str:
        """See the port."""
        return "judge"

    async def ship(self, records: Sequence[AnswerRecord]) -> None:
        """Judge those that the sample takes. Raises nothing: see above."""
        for record in records:
            if self.takes(record):
                how = await self._looked_at(record)
                self._meter.looked(how)

    def takes(self, record: AnswerRecord) -> bool:
        """True for the share of the answers that is to be judged; the same ones in every process."""
        if record.outcome != "answered" or not (record.content and record.answer.text and record.question.text):
            return False
        if not any(passage.text for passage in record.retrieval.passages):
            return False
        drawn = int.from_bytes(hashlib.sha256(record.id.encode()).digest()[:8], "big")
        return drawn < self._policy.share * 2**64

    async def _looked_at(self, record: AnswerRecord) -> Looked:
        if not self._affords():
            return "over_budget"
        if self._clock.epoch_s() - record.timing.began_at > _LATE_S:
            # It came too slowly: the spool keeps what is not looked at yet, and others' records with it.
            return "over_rate"
        self._rate = self._rate.at(self._clock.monotonic_s())
        if self._rate.wait_s(1) > 0:
            return "over_rate"
        self._rate = self._rate.take(1)
        try:
            scores = await self._undisturbed(record)
            if scores is None:
                return "unreadable"
            self._meter.scored(scores)
            return "judged" if await self._placed(record, scores) else "failed"
        except TandemError:
            return "failed"

    async def _placed(self, record: AnswerRecord, scores: Mapping[str, float]) -> bool:
        if await self._verdicts.judged(record.asker.tenant, record.id, scores):
            return True
        await asyncio.sleep(_PLACED_AFTER_S)
        return await self._verdicts.judged(record.asker.tenant, record.id, scores)

    async def _undisturbed(self, record: AnswerRecord) -> dict[str, float] | None:
        """Begun again whenever somebody needed the slot, within the time that one look may take."""
        until_s = self._clock.monotonic_s() + self._policy.timeout_s
        while True:
            try:
                return await self._judged(record, until_s - self._clock.monotonic_s())
            except Preempted:
                if not self._affords():
                    raise

    async def _judged(self, record: AnswerRecord, within_s: float) -> dict[str, float] | None:
        texts = [passage.text for passage in record.retrieval.passages if passage.text]
        prompt = judgement(record.question.text or "", texts, record.answer.text or "")
        tokens = sum(len(message.content) for message in prompt.messages) // _CHARS_PER_TOKEN
        asked = Asked(
            collection=record.retrieval.asked,
            prompt_tokens=tokens,
            answer_tokens=MAX_TOKENS,
            pools=frozenset({self._policy.pool}),
            background=True,
        )
        context = RequestContext(f"judge-{record.id}", record.asker.tenant)
        bill = Reservation(asked.prompt_tokens)
        admitted = None
        try:
            async with asyncio.timeout(within_s), self._dispatch.admit(asked, context) as admitted:
                rewriter = SlotRewriter(admitted, bill)
                if not await rewriter.available():
                    return None
                written = await rewriter.write(prompt, context, max_tokens=MAX_TOKENS, schema=SCHEMA)
        except TimeoutError:
            return None
        finally:
            if admitted is not None:
                self._spend(bill.aside, admitted.cost)
        return verdict(written)

    def _affords(self) -> bool:
        day = int(self._clock.epoch_s() // _DAY_S)
        if day != self._day:
            self._day, self._tokens, self._cost = day, 0, 0.0
        policy = self._policy
        within_tokens = policy.tokens_per_day is None or self._tokens < policy.tokens_per_day
        return within_tokens and (policy.cost_per_day is None or self._cost < policy.cost_per_day)

    def _spend(self, tokens: int, cost: float) -> None:
        self._tokens += tokens
        self._cost += cost
        self._meter.spent(tokens, cost)
