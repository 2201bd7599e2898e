"""Settings of the state: receipts, and whatever else outlives a process beside documents."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from tandem.app.group import Group

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


class State(Group):
    """Where it is kept. `docs/receipts.md` tells more."""

    url: SecretStr | None = None
    """A PostgreSQL that all processes share, postgresql://user:password@host:5432/name. Unset: at the retriever, where that is a peer; else in `data_dir`/state.db."""
    connections: int = Field(default=4, ge=1, le=64)
    """To PostgreSQL, of each process."""
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """To open a connection."""
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    """Until a statement is done."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.url is not None and not self.url.get_secret_value().startswith(_SCHEMES):
            raise ValueError("state.url is no postgresql:// URL; leave it out for SQLite in data_dir")
        return self
