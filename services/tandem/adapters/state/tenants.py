"""Which tenants have anything in a table."""

from sqlalchemy import Column, ColumnElement, Connection, func, select


def tenants_of(
    connection: Connection, tenant: Column[str], *where: ColumnElement[bool], most: int | None = None
) -> tuple[str, ...]:
    """In order; one look for each into an index that has the tenant first, or behind columns that `where` settles."""
    found: list[str] = []
    while True:
        if len(found) == most:
            return tuple(found)
        query = select(func.min(tenant)).where(*where)
        if found:
            query = query.where(tenant > found[-1])
        name = connection.execute(query).scalar()
        if name is None:
            return tuple(found)
        found.append(name)
