"""Callers' files in a table, their contents in parts beside them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, tuple_, update

from tandem.adapters.state.database import Database
from tandem.adapters.state.plain import plain, plain_or_none
from tandem.adapters.state.tables import FILE_PARTS, FILES
from tandem.adapters.state.tenants import tenants_of
from tandem.domain.batch import Purpose, StoredFile
from tandem.ports.files import MAX_PAGE, FilePage

_COLUMNS = FILES.c
# A transaction each: others are let in between, and memory holds a few of them.
_PART_BYTES = 1_000_000
_ABANDONED_S = 86_400.0


class StoredFiles:
    """`ports/files.py` over SQLite or PostgreSQL: what every replica reaches, without a bucket to be set up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, file: StoredFile, content: AsyncIterator[bytes]) -> StoredFile:
        """It is shown once its last part is there."""
        await self._database.write(lambda connection: connection.execute(insert(FILES), [row_of(file, whole=False)]))
        try:
            size = await self._written(file.id, content)
        except BaseException:
            await self._drop(file.id)
            raise
        done = update(FILES).where(_COLUMNS.id == plain(file.id)).values(whole=True, size=size)
        await self._database.write(lambda connection: connection.execute(done))
        return replace(file, size=size)

    async def file(self, tenant: str, file_id: str) -> StoredFile | None:
        """By the primary key."""
        query = select(FILES).where(_COLUMNS.id == plain(file_id), *_shown(tenant))
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _file(row)

    async def page(
        self, tenant: str, *, caller: str | None, purpose: Purpose | None, limit: int, after: str | None = None
    ) -> FilePage:
        """In the order of the index on when they came."""
        most = min(limit, MAX_PAGE)
        query = select(FILES).where(*_shown(tenant))
        if caller is not None:
            query = query.where(_COLUMNS.caller == plain(caller))
        if purpose is not None:
            query = query.where(_COLUMNS.purpose == purpose)
        if after is not None:
            last = select(_COLUMNS.created_at, _COLUMNS.id).where(_COLUMNS.id == plain(after), *_shown(tenant))
            query = query.where(tuple_(_COLUMNS.created_at, _COLUMNS.id) < last.scalar_subquery())
        query = query.order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc()).limit(most + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return FilePage(tuple(map(_file, rows[:most])), len(rows) > most)

    async def content(self, file: StoredFile) -> AsyncIterator[bytes]:
        """A look for each part."""
        seq = 0
        while (data := await self._part(file.id, seq)) is not None:
            yield data
            seq += 1

    async def size(self, tenant: str) -> int:
        """What batches wrote is theirs."""
        uploaded = _COLUMNS.tenant == plain(tenant), _COLUMNS.batch_id.is_(None)
        query = select(func.coalesce(func.sum(_COLUMNS.size), 0)).where(*uploaded)
        return int(await self._database.read(lambda connection: connection.execute(query).scalar_one()))

    async def delete(self, tenant: str, file_id: str) -> bool:
        """Its parts go with it."""
        here = _COLUMNS.id == plain(file_id), _COLUMNS.tenant == plain(tenant)
        statement = delete(FILES).where(*here)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def tenants(self) -> tuple[str, ...]:
        """One look into the index for each."""
        return await self._database.read(lambda connection: tenants_of(connection, _COLUMNS.tenant))

    async def forget(
        self, tenant: str, *, user: str | None = None, before: float | None = None, expired_by: float | None = None
    ) -> int:
        """One at a time: they are large."""
        conditions: list[ColumnElement[bool]] = [_COLUMNS.tenant == plain(tenant), _COLUMNS.batch_id.is_(None)]
        if user is not None:
            conditions.append(_COLUMNS.asked_for == plain(user))
        if before is not None:
            conditions.append(_COLUMNS.created_at < before)
        if expired_by is not None:
            abandoned = and_(_COLUMNS.whole.is_(False), _COLUMNS.created_at < expired_by - _ABANDONED_S)
            conditions.append(or_(_COLUMNS.expires_at <= expired_by, abandoned))
        query = select(_COLUMNS.id).where(*conditions)
        ids: Sequence[str] = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        for file_id in ids:
            await self._drop(file_id)
        return len(ids)

    async def _written(self, file_id: str, content: AsyncIterator[bytes]) -> int:
        size = seq = 0
        held = bytearray()
        async for piece in content:
            held += piece
            while len(held) >= _PART_BYTES:
                await self._put(file_id, seq, bytes(held[:_PART_BYTES]))
                del held[:_PART_BYTES]
                seq, size = seq + 1, size + _PART_BYTES
        if held:
            await self._put(file_id, seq, bytes(held))
        return size + len(held)

    async def _drop(self, file_id: str) -> None:
        """Its parts go with it."""
        statement = delete(FILES).where(_COLUMNS.id == plain(file_id))
        await self._database.write(lambda connection: connection.execute(statement))

    async def _put(self, file_id: str, seq: int, data: bytes) -> None:
        row = {"file_id": plain(file_id), "seq": seq, "data": data}
        await self._database.write(lambda connection: connection.execute(insert(FILE_PARTS), [row]))

    async def _part(self, file_id: str, seq: int) -> bytes | None:
        query = select(FILE_PARTS.c.data).where(FILE_PARTS.c.file_id == plain(file_id), FILE_PARTS.c.seq == seq)
        data = await self._database.read(lambda connection: connection.execute(query).scalar())
        return None if data is None else bytes(data)


def row_of(file: StoredFile, *, whole: bool) -> dict[str, Any]:
    """As it is written."""
    return {
        "id": plain(file.id),
        "tenant": plain(file.tenant),
        "caller": plain(file.caller),
        "groups": orjson.dumps([plain(group) for group in file.groups]).decode(),
        "asked_for": plain_or_none(file.user),
        "filename": plain(file.filename),
        "purpose": file.purpose,
        "size": file.size,
        "whole": whole,
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "batch_id": plain_or_none(file.batch_id),
        "side": file.side,
    }


def _shown(tenant: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _COLUMNS.tenant == plain(tenant), _COLUMNS.whole.is_(True)


def _file(row: Row[Any]) -> StoredFile:
    return StoredFile(
        row.id,
        row.filename,
        row.purpose,
        row.created_at,
        row.expires_at,
        row.size,
        row.tenant,
        row.caller,
        tuple(orjson.loads(row.groups)),
        row.asked_for,
        row.batch_id,
        row.side,
    )
