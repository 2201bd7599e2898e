"""Receipts in tables."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, exists, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql

from tandem.adapters.state.database import Database
from tandem.adapters.state.plain import plain_or_none
from tandem.adapters.state.tables import FEEDBACK, RECEIPTS
from tandem.adapters.state.tenants import tenants_of
from tandem.domain.errors import DocumentRejected, UpstreamFailed
from tandem.domain.record import AnswerRecord
from tandem.ports.receipts import MAX_PAGE, Cursor, ReceiptFilter, ReceiptPage

_RECORD = TypeAdapter(AnswerRecord)
# A page ends behind the record that takes it over so many bytes.
_PAGE_BYTES = 4_000_000
# So many are deleted in one transaction: others are let in between.
_FORGET_AT_ONCE = 500
_COLUMNS = RECEIPTS.c
_KEY = ("tenant", "id")
_NAMES = tuple(column.name for column in RECEIPTS.columns)
_ROWS_AT_ONCE = 64


class StoredReceipts:
    """`ports/receipts.py` over SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, records: Sequence[AnswerRecord]) -> None:
        """In one transaction."""
        if records:
            await self._database.write(lambda connection: _insert(connection, records))

    async def receipt(self, tenant: str, receipt_id: str) -> AnswerRecord | None:
        """By the primary key."""
        wanted = select(_COLUMNS.body).where(
            _COLUMNS.tenant == plain_or_none(tenant), _COLUMNS.id == plain_or_none(receipt_id)
        )
        return await self._database.read(lambda connection: _found(connection, wanted))

    async def judged(self, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
        """Read and written in one transaction."""
        return await self._database.write(lambda connection: _score(connection, tenant, receipt_id, scores))

    async def page(self, tenant: str, wanted: ReceiptFilter, *, limit: int, after: Cursor | None = None) -> ReceiptPage:
        """In the order of the index on when they began."""
        most = min(limit, MAX_PAGE)
        conditions = [_COLUMNS.tenant == plain_or_none(tenant), *_conditions(wanted)]
        if after is not None:
            conditions.append(tuple_(_COLUMNS.began_at, _COLUMNS.id) < tuple_(after.began_at, after.id))
        query = (
            select(_COLUMNS.began_at, _COLUMNS.id, _COLUMNS.body)
            .where(and_(*conditions))
            .order_by(_COLUMNS.began_at.desc(), _COLUMNS.id.desc())
            .limit(most + 1)
        )
        return await self._database.read(lambda connection: _page(connection.execute(query), most))

    async def tenants(self) -> tuple[str, ...]:
        """One look into the index for each."""
        return await self._database.read(lambda connection: tenants_of(connection, _COLUMNS.tenant))

    async def forget(self, tenant: str, *, user: str | None = None, before: float | None = None) -> int:
        """Some at a time."""
        conditions = [_COLUMNS.tenant == plain_or_none(tenant)]
        if user is not None:
            conditions.append(_COLUMNS.asked_for == plain_or_none(user))
        if before is not None:
            conditions.append(_COLUMNS.began_at < before)
        some = select(_COLUMNS.id).where(and_(*conditions)).limit(_FORGET_AT_ONCE)
        statement = delete(RECEIPTS).where(_COLUMNS.tenant == plain_or_none(tenant), _COLUMNS.id.in_(some))
        gone = 0
        while True:
            count = await self._database.write(lambda connection: connection.execute(statement).rowcount)
            gone += count
            if count < _FORGET_AT_ONCE:
                return gone


def _insert(connection: Connection, records: Sequence[AnswerRecord]) -> None:
    # The event loop waits for this thread's turn to end, which is when a statement runs; each turn costs both of them time.
    for start in range(0, len(records), _ROWS_AT_ONCE):
        rows = [_row(record) for record in records[start : start + _ROWS_AT_ONCE]]
        if connection.dialect.name == "postgresql":
            connection.execute(postgresql.insert(RECEIPTS).on_conflict_do_nothing(index_elements=_KEY), rows)
        else:
            # One statement rather than one for each row: the driver ends its turn for each.
            values = tuple(row[name] for row in rows for name in _NAMES)
            connection.exec_driver_sql(_sqlite_insert(len(rows)), values)


@cache
def _sqlite_insert(rows: int) -> str:
    one = f"({', '.join('?' * len(_NAMES))})"
    return f"INSERT INTO {RECEIPTS.name} ({', '.join(_NAMES)}) VALUES {', '.join([one] * rows)} ON CONFLICT ({', '.join(_KEY)}) DO NOTHING"  # noqa: S608 - names of the schema


def _score(connection: Connection, tenant: str, receipt_id: str, scores: Mapping[str, float]) -> bool:
    here = and_(_COLUMNS.tenant == plain_or_none(tenant), _COLUMNS.id == plain_or_none(receipt_id))
    body = connection.execute(select(_COLUMNS.body).where(here).with_for_update()).scalar()
    if body is None:
        return False
    known = _record(body)
    scored = _row(replace(known, scores={**known.scores, **scores}))["body"]
    connection.execute(update(RECEIPTS).where(here).values(body=scored))
    return True


def _row(record: AnswerRecord) -> dict[str, Any]:
    try:
        body = orjson.dumps(record)
    except TypeError as error:
        raise DocumentRejected(f"The receipt {record.id} cannot be written: {error}.", reason="unstorable") from error
    return {
        "tenant": plain_or_none(record.asker.tenant),
        "id": plain_or_none(record.id),
        "began_at": record.timing.began_at,
        "caller": plain_or_none(record.asker.caller),
        "asked_for": plain_or_none(record.asker.user),
        "outcome": record.outcome,
        "collection": plain_or_none(record.retrieval.collection or record.retrieval.asked),
        "model": plain_or_none(record.model.id if record.model else None),
        "prompt": plain_or_none(record.prompt.template if record.prompt else None),
        "release": plain_or_none(record.release),
        "content": record.content,
        "body": body,
    }


def _record(body: bytes) -> AnswerRecord:
    try:
        return _RECORD.validate_json(body)
    except ValidationError as error:
        raise UpstreamFailed(
            f"A receipt cannot be read: {error.errors()[0]['msg']}.", hint="Was it written by a newer Tandem?"
        ) from error


def _conditions(wanted: ReceiptFilter) -> list[ColumnElement[bool]]:
    equal = {
        _COLUMNS.caller: wanted.caller,
        _COLUMNS.asked_for: wanted.user,
        _COLUMNS.outcome: wanted.outcome,
        _COLUMNS.model: wanted.model,
        _COLUMNS.release: wanted.release,
    }
    found: list[ColumnElement[bool]] = [
        column == plain_or_none(value) for column, value in equal.items() if value is not None
    ]
    for column, name in ((_COLUMNS.collection, wanted.collection), (_COLUMNS.prompt, wanted.prompt)):
        if name is not None:
            found.append(
                or_(column == plain_or_none(name), column.startswith(f"{plain_or_none(name)}@", autoescape=True))
            )
    if wanted.rating is not None:
        rating = FEEDBACK.c.rating
        said = [FEEDBACK.c.tenant == _COLUMNS.tenant, FEEDBACK.c.receipt_id == _COLUMNS.id]
        found.append(exists().where(*said, rating > 0 if wanted.rating == "up" else rating < 0))
    if wanted.since is not None:
        found.append(_COLUMNS.began_at >= wanted.since)
    if wanted.until is not None:
        found.append(_COLUMNS.began_at < wanted.until)
    return found


def _found(connection: Connection, wanted: Select[Any]) -> AnswerRecord | None:
    body = connection.execute(wanted).scalar()
    return None if body is None else _record(body)


def _page(rows: Iterable[Row[Any]], most: int) -> ReceiptPage:
    """The rows that make a page; whether there are more tells the first that does not."""
    records: list[AnswerRecord] = []
    last: Row[Any] | None = None
    size = 0
    for row in rows:
        if last is not None and (len(records) == most or size + len(row.body) > _PAGE_BYTES):
            return ReceiptPage(tuple(records), Cursor(last.began_at, last.id))
        records.append(_record(row.body))
        last = row
        size += len(row.body)
        time.sleep(0)  # noqa: TID251 - in a thread, for no time
    return ReceiptPage(tuple(records))
