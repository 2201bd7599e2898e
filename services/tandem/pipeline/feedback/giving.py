"""Feedback on its way in, under the same rules of privacy as the answers, and shown to those it is meant for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tandem.domain.feedback import Feedback
from tandem.domain.reader import Reader
from tandem.domain.record import AnswerRecord
from tandem.pipeline.privacy.capture import Privacy
from tandem.pipeline.receipts import ReadReceipts
from tandem.ports.clock import Clock
from tandem.ports.feedback import FeedbackCursor, FeedbackFilter, FeedbackPage, FeedbackStore


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was sent; `user` is whom the caller speaks for, as it says."""

    receipt_id: str
    rating: float
    labels: tuple[str, ...] = ()
    corrected_answer: str | None = None
    comment: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What is kept of it. `replaced`: the same person had said something before; `left_out`: its words are not kept."""

    feedback: Feedback
    replaced: bool
    left_out: bool


class FeedbackMeter(Protocol):
    """Counts feedback."""

    def rated(self, rating: str) -> None:
        """`up`, `down` or `neutral`, by somebody who had said nothing of this answer before."""
        ...


class GivingFeedback:
    """Receipts tell what there is an opinion of; privacy tells what is kept of it. `heard` is told of first opinions."""

    def __init__(
        self,
        receipts: ReadReceipts,
        store: FeedbackStore,
        privacy: Privacy,
        clock: Clock,
        meter: FeedbackMeter,
        heard: Callable[[AnswerRecord, Feedback], None] = lambda _record, _feedback: None,
    ) -> None:
        self._receipts = receipts
        self._store = store
        self._privacy = privacy
        self._clock = clock
        self._meter = meter
        self._heard = heard

    async def give(self, said: Opinion, reader: Reader) -> Given:
        """Raises `UnknownReceipt` for an unknown id and for another tenant's alike, after the same work."""
        record = (await self._receipts.receipt(said.receipt_id, reader)).record
        asker = record.asker
        tenant = reader.tenant
        user = self._privacy.user(tenant, said.user)
        if said.user is None and asker.caller == reader.caller:
            # It asked for somebody: that is whose opinion it hands on, and who may want it deleted.
            user = asker.user
        feedback = Feedback(
            tenant=tenant,
            receipt_id=said.receipt_id,
            rating=said.rating,
            given_at=self._clock.epoch_s(),
            caller=reader.caller or "",
            user=user,
            labels=said.labels,
            corrected_answer=self._privacy.text(tenant, said.corrected_answer),
            comment=self._privacy.text(tenant, said.comment),
        )
        replaced = await self._store.give(feedback)
        if not replaced:
            self._meter.rated("up" if feedback.up else "down" if feedback.down else "neutral")
            self._heard(record, feedback)
        had_words = said.corrected_answer is not None or said.comment is not None
        kept_words = feedback.corrected_answer is not None or feedback.comment is not None
        return Given(feedback, replaced, had_words and not kept_words)

    async def listing(
        self, wanted: FeedbackFilter, tenant: str, *, limit: int, after: FeedbackCursor | None = None
    ) -> FeedbackPage:
        """For admins: every opinion of the tenant, with its words."""
        if wanted.user is not None:
            user = self._privacy.user(tenant, wanted.user)
            if user is None:
                return FeedbackPage(())
            wanted = replace(wanted, user=user)
        return await self._store.page(tenant, wanted, limit=limit, after=after)
