"""The state store in PostgreSQL, shared by every process that is given its URL."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.util import find_spec

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from tandem.adapters.state import schema
from tandem.adapters.state.database import Database
from tandem.domain.errors import ConfigurationError


@asynccontextmanager
async def postgres_database(
    url: str, *, connections: int = 4, connect_timeout_s: float = 5.0, timeout_s: float = 10.0, migrates: bool = False
) -> AsyncIterator[Database]:
    """The schema is looked at with the first connection; nothing migrates it but who opens it with `migrates`.

    Raises `ConfigurationError` for a URL of another kind, or when the driver is not installed. The server may be away:
    then calls raise `UpstreamUnavailable` until it is back.
    """
    if find_spec("psycopg") is None:
        raise ConfigurationError("state.url needs psycopg.", hint="Install tandem-rag[postgres].")
    try:
        target = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("state.url is not a URL.", hint="postgresql://user:password@host:5432/name") from error
    if target.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"state.url names {target.get_backend_name()!r}; only PostgreSQL is known by URL.",
            hint="Leave it out for SQLite in data_dir.",
        )
    engine = create_engine(
        target.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        # A message must not quote what was asked.
        hide_parameters=True,
        pool_timeout=timeout_s,
        # A server that was restarted has closed what the pool holds.
        pool_pre_ping=True,
        connect_args={
            "application_name": "tandem",
            "connect_timeout": max(2, round(connect_timeout_s)),
            "options": f"-c statement_timeout={round(timeout_s * 1000)} -c lock_timeout={round(timeout_s * 1000)}",
            "tcp_user_timeout": round(timeout_s * 1000),
            # A machine that is gone without a word is noticed while an answer is awaited, too.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            # A pooler between may hand each transaction to another server, which knows none of the prepared ones.
            "prepare_threshold": None,
        },
    )
    place = f"{target.host or 'localhost'}:{target.port or 5432}/{target.database or ''}"
    with ThreadPoolExecutor(connections, "state") as threads:
        try:
            checked = (lambda _: None) if migrates else schema.check
            yield Database(engine, place, threads, threads, checked)
        finally:
            engine.dispose()
