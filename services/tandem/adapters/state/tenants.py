"""Which tenants have anything in a table."""

from sqlalchemy import Column, Connection, func, select


def tenants_of(connection: Connection, tenant: Column[str]) -> tuple[str, ...]:
    """In order; one look into an index that begins with the tenant for each."""
    found: list[str] = []
    while True:
        query = select(func.min(tenant))
        if found:
            query = query.where(tenant > found[-1])
        name = connection.execute(query).scalar()
        if name is None:
            return tuple(found)
        found.append(name)
