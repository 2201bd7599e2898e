"""Answers that people rated, for an admin to take away: opinions first, then the records they are about."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from tandem.domain.feedback import Feedback
from tandem.domain.reader import Reader
from tandem.domain.record import AnswerRecord
from tandem.ports.feedback import MAX_PAGE, FeedbackFilter, FeedbackStore
from tandem.ports.receipts import Receipts


@dataclass(frozen=True, slots=True)
class RatedAnswers:
    """The stores of both. Records whose texts the reader may not see are not handed out."""

    receipts: Receipts
    feedback: FeedbackStore

    async def all(self, wanted: FeedbackFilter, reader: Reader) -> AsyncIterator[Feedback | AnswerRecord]:
        """Those of the reader's tenant."""
        after = None
        ids: dict[str, None] = {}
        while True:
            page = await self.feedback.page(reader.tenant, wanted, limit=MAX_PAGE, after=after)
            for each in page.feedback:
                ids[each.receipt_id] = None
                yield each
            if page.next_after is None:
                break
            after = page.next_after
        for receipt_id in ids:
            record = await self.receipts.receipt(reader.tenant, receipt_id)
            if record is not None and reader.reads(record):
                yield record
