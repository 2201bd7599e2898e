"""Feedback in a table."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, delete, select, tuple_

from tandem.adapters.state.database import Database
from tandem.adapters.state.plain import plain_or_none
from tandem.adapters.state.tables import FEEDBACK
from tandem.adapters.state.tenants import tenants_of
from tandem.adapters.state.upserts import insert_of
from tandem.domain.feedback import Feedback
from tandem.ports.feedback import MAX_PAGE, FeedbackCursor, FeedbackFilter, FeedbackPage

_KEY = ("tenant", "receipt_id", "caller", "asked_for")
_FORGET_AT_ONCE = 500
_COLUMNS = FEEDBACK.c
_PLACE = (_COLUMNS.given_at, _COLUMNS.receipt_id, _COLUMNS.caller, _COLUMNS.asked_for)


class StoredFeedback:
    """`ports/feedback.py` over SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def give(self, feedback: Feedback) -> bool:
        """By the primary key."""
        return await self._database.write(lambda connection: _put(connection, _row(feedback)))

    async def about(self, tenant: str, receipt_ids: Sequence[str]) -> tuple[Feedback, ...]:
        """By the first columns of the primary key."""
        ids = [plain_or_none(each) for each in receipt_ids[:MAX_PAGE]]
        query = select(FEEDBACK).where(_COLUMNS.tenant == plain_or_none(tenant), _COLUMNS.receipt_id.in_(ids))
        rows = await self._database.read(lambda connection: connection.execute(query.order_by(*_PLACE)).all())
        return tuple(map(_feedback, rows))

    async def page(
        self, tenant: str, wanted: FeedbackFilter, *, limit: int, after: FeedbackCursor | None = None
    ) -> FeedbackPage:
        """In the order of the index on when it was given."""
        most = min(limit, MAX_PAGE)
        query = select(FEEDBACK).where(_COLUMNS.tenant == plain_or_none(tenant), *_conditions(wanted))
        if after is not None:
            place = tuple_(
                after.given_at, plain_or_none(after.receipt_id), plain_or_none(after.caller), plain_or_none(after.user)
            )
            query = query.where(tuple_(*_PLACE) > place)
        query = query.order_by(*_PLACE).limit(most + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        shown = tuple(map(_feedback, rows[:most]))
        return FeedbackPage(shown, _behind(rows[most - 1]) if len(rows) > most else None)

    async def tenants(self) -> tuple[str, ...]:
        """One look into the index for each."""
        return await self._database.read(lambda connection: tenants_of(connection, _COLUMNS.tenant))

    async def forget(
        self,
        tenant: str,
        *,
        user: str | None = None,
        before: float | None = None,
        receipt_ids: Sequence[str] | None = None,
    ) -> int:
        """Receipts some at a time, so that no statement grows beyond what a database takes."""
        conditions = [_COLUMNS.tenant == plain_or_none(tenant)]
        if user is not None:
            conditions.append(_COLUMNS.asked_for == plain_or_none(user))
        if before is not None:
            conditions.append(_COLUMNS.given_at < before)
        if receipt_ids is None:
            return await self._delete(conditions)
        gone = 0
        for first in range(0, len(receipt_ids), _FORGET_AT_ONCE):
            some = [plain_or_none(each) for each in receipt_ids[first : first + _FORGET_AT_ONCE]]
            gone += await self._delete([*conditions, _COLUMNS.receipt_id.in_(some)])
        return gone

    async def _delete(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        statement = delete(FEEDBACK).where(*conditions)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)


def _put(connection: Connection, row: dict[str, Any]) -> bool:
    same = [_COLUMNS[name] == row[name] for name in _KEY]
    known = connection.execute(select(_COLUMNS.rating).where(*same)).scalar() is not None
    values = {name: value for name, value in row.items() if name not in _KEY}
    connection.execute(
        insert_of(connection)(FEEDBACK).values(row).on_conflict_do_update(index_elements=_KEY, set_=values)
    )
    return known


def _row(feedback: Feedback) -> dict[str, Any]:
    return {
        "tenant": plain_or_none(feedback.tenant),
        "receipt_id": plain_or_none(feedback.receipt_id),
        "caller": plain_or_none(feedback.caller),
        "asked_for": plain_or_none(feedback.user or ""),
        "given_at": feedback.given_at,
        "rating": feedback.rating,
        # Between blanks, so that one of them can be looked for.
        "labels": f" {' '.join(feedback.labels)} ",
        "texts": orjson.dumps([plain_or_none(feedback.corrected_answer), plain_or_none(feedback.comment)]),
    }


def _feedback(row: Row[Any]) -> Feedback:
    corrected, comment = orjson.loads(row.texts)
    return Feedback(
        row.tenant,
        row.receipt_id,
        row.rating,
        row.given_at,
        row.caller,
        row.asked_for or None,
        tuple(row.labels.split()),
        corrected,
        comment,
    )


def _behind(row: Row[Any]) -> FeedbackCursor:
    return FeedbackCursor(row.given_at, row.receipt_id, row.caller, row.asked_for)


def _conditions(wanted: FeedbackFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.user is not None:
        found.append(_COLUMNS.asked_for == plain_or_none(wanted.user))
    if wanted.label is not None:
        found.append(_COLUMNS.labels.contains(f" {plain_or_none(wanted.label)} ", autoescape=True))
    if wanted.least is not None:
        found.append(_COLUMNS.rating >= wanted.least)
    if wanted.most is not None:
        found.append(_COLUMNS.rating <= wanted.most)
    if wanted.since is not None:
        found.append(_COLUMNS.given_at >= wanted.since)
    if wanted.until is not None:
        found.append(_COLUMNS.given_at < wanted.until)
    return found
