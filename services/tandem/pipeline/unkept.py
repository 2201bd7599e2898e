"""A store of receipts for who keeps none."""

# ruff: noqa: ARG002 - it has its port's signatures, and looks at nothing

from collections.abc import Mapping, Sequence

from tandem.domain.record import AnswerRecord
from tandem.ports.receipts import Cursor, ReceiptFilter, ReceiptPage, Receipts


class _Unkept:
    async def keep(self, records: Sequence[AnswerRecord]) -> None:
        """Not kept."""

    async def receipt(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
        """There is none."""
        return None

    async def judged(self, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
        """There is none."""
        return False

    async def page(
        self,
        tenant: str,
        wanted: ReceiptFilter,
        *,
        limit: int,
        after: Cursor | None = None,
    ) -> ReceiptPage:
        """Empty."""
        return ReceiptPage(())

    async def tenants(self) -> tuple[str, ...]:
        """Nobody."""
        return ()

    async def forget(self, tenant: str, *, user: str | None = None, before: float | None = None) -> int:
        """Nothing to forget."""
        return 0


UNKEPT: Receipts = _Unkept()
