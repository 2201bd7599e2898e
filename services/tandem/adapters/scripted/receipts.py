"""A store of receipts that a test can look into."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tandem.domain.record import AnswerRecord
from tandem.ports.receipts import MAX_PAGE, Cursor, ReceiptFilter, ReceiptPage


class ScriptedReceipts:
    """`ports/receipts.py` in memory: `records` by tenant and id. `fault` is raised by every call while it is set.

    `ratings` are what people said of them, by the same keys: above 0 they liked it, below they did not.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], AnswerRecord] = {}
        self.ratings: dict[tuple[str, str], list[float]] = {}
        self.fault: Exception | None = None

    async def keep(self, records: Sequence[AnswerRecord]) -> None:
        """See the port."""
        self._check()
        for record in records:
            self.records.setdefault((record.asker.tenant, record.id), record)

    async def receipt(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
        """See the port."""
        self._check()
        return self.records.get((tenant, receipt_id))

    async def judged(self, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
        """See the port."""
        self._check()
        key = tenant, receipt_id
        known = self.records.get(key)
        if known is not None:
            self.records[key] = replace(known, scores={**known.scores, **scores})
        return known is not None

    async def page(self, tenant: str, wanted: ReceiptFilter, *, limit: int, after: Cursor | None = None) -> ReceiptPage:
        """See the port."""
        self._check()
        found = [
            record
            for (owner, _), record in self.records.items()
            if owner == tenant
            and _fits(record, wanted)
            and self._rated(owner, record.id, wanted.rating)
            and (after is None or _place(record) < (after.began_at, after.id))
        ]
        found.sort(key=_place, reverse=True)
        shown = found[: min(limit, MAX_PAGE)]
        last = shown[-1] if len(found) > len(shown) else None
        return ReceiptPage(tuple(shown), None if last is None else Cursor(*_place(last)))

    async def tenants(self) -> tuple[str, ...]:
        """See the port."""
        self._check()
        return tuple(sorted({tenant for tenant, _ in self.records}))

    async def forget(self, tenant: str, *, user: str | None = None, before: float | None = None) -> int:
        """See the port."""
        self._check()
        gone = [
            key
            for key, record in self.records.items()
            if key[0] == tenant
            and (user is None or record.asker.user == user)
            and (before is None or record.timing.began_at < before)
        ]
        for key in gone:
            del self.records[key]
        return len(gone)

    def _rated(self, tenant: str, receipt_id: str, rating: str | None) -> bool:
        said = self.ratings.get((tenant, receipt_id), [])
        return rating is None or any(each > 0 if rating == "up" else each < 0 for each in said)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault


def _place(record: AnswerRecord) -> tuple[float, str]:
    return record.timing.began_at, record.id


def _fits(record: AnswerRecord, wanted: ReceiptFilter) -> bool:
    began_at = record.timing.began_at
    said = (
        (wanted.caller, record.asker.caller),
        (wanted.user, record.asker.user),
        (wanted.outcome, record.outcome),
        (wanted.model, record.model.id if record.model else None),
        (wanted.release, record.release),
    )
    return (
        all(want is None or want == has for want, has in said)
        and _versioned(wanted.collection, record.retrieval.collection or record.retrieval.asked)
        and _versioned(wanted.prompt, record.prompt.template if record.prompt else None)
        and (wanted.since is None or began_at >= wanted.since)
        and (wanted.until is None or began_at < wanted.until)
    )


def _versioned(want: str | None, has: str | None) -> bool:
    return want is None or (has is not None and want in {has, has.partition("@")[0]})
