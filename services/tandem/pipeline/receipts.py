"""Receipts as their readers see them: looked up, listed, and with their texts for those they are meant for."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tandem.domain.errors import StoreBusy, UnknownReceipt, UpstreamUnavailable
from tandem.domain.feedback import Feedback
from tandem.domain.reader import Reader, withheld
from tandem.domain.record import AnswerRecord
from tandem.pipeline.feedback.unkept import UnkeptFeedback
from tandem.pipeline.in_flight import InFlight
from tandem.ports.feedback import FeedbackStore
from tandem.ports.receipts import Cursor, ReceiptFilter, Receipts

_NO_FEEDBACK = UnkeptFeedback()


@dataclass(frozen=True, slots=True)
class Receipt:
    """A record as one reader sees it, and what people thought of the answer; `withheld`: its texts are for others."""

    record: AnswerRecord
    withheld: bool = False
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Newest first; `next_after` is where the next page begins, None when there is none."""

    receipts: tuple[Receipt, ...]
    next_after: Cursor | None = None


class ReadReceipts:
    """`user_of` tells under which id a tenant's user is recorded: an alias of it, where texts are not kept, or none."""

    def __init__(
        self,
        store: Receipts,
        in_flight: InFlight,
        user_of: Callable[[str, str], str | None] = lambda _, user: user,
        feedback: FeedbackStore = _NO_FEEDBACK,
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._user_of = user_of
        self._feedback = feedback

    async def receipt(self, receipt_id: str, reader: Reader) -> Receipt:
        """Raises `UnknownReceipt` for an unknown id and for another tenant's alike, after the same work."""
        coming = await self._in_flight.find(reader.tenant, receipt_id)
        record = coming or await self._store.receipt(reader.tenant, receipt_id)
        if record is None:
            raise UnknownReceipt(
                "There is no such receipt.",
                hint="Receipts are kept for a time, and each is seen by its own tenant only.",
                param="id",
            )
        seen = _seen(record, reader)
        try:
            said = await self._feedback.about(reader.tenant, [record.id])
        except (UpstreamUnavailable, StoreBusy):
            # What has not come to the store yet can be shown without it; of the rest half would be told for the whole.
            if coming is None:
                raise
            said = ()
        if seen.withheld:
            said = tuple(each if each.caller == reader.caller else _wordless(each) for each in said)
        return replace(seen, feedback=said)

    async def listing(
        self, wanted: ReceiptFilter, reader: Reader, *, limit: int, after: Cursor | None = None
    ) -> Listing:
        """Those that are stored. Who is no admin finds out about users from receipts of its own only."""
        if wanted.user is not None and not reader.admin:
            if wanted.caller not in {None, reader.caller}:
                return Listing(())
            wanted = replace(wanted, caller=reader.caller)
        if wanted.user is not None:
            known_as = self._user_of(reader.tenant, wanted.user)
            if known_as is None:
                return Listing(())
            wanted = replace(wanted, user=known_as)
        page = await self._store.page(reader.tenant, wanted, limit=limit, after=after)
        return Listing(tuple(_seen(record, reader) for record in page.records), page.next_after)


def _wordless(feedback: Feedback) -> Feedback:
    return replace(feedback, user=None, corrected_answer=None, comment=None)


def _seen(record: AnswerRecord, reader: Reader) -> Receipt:
    return Receipt(record) if reader.reads(record) else Receipt(withheld(record), withheld=True)
