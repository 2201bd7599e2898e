"""How a Qdrant cluster keeps collections: over how many shards, in how many copies, and how many of them have to agree."""

from dataclasses import dataclass
from typing import Any, Literal

from qdrant_client import models


@dataclass(frozen=True, slots=True)
class Replication:
    """What is None is as the server's own configuration says. The first three count for collections that are made from now on.

    `write_consistency_factor`: copies that confirm a write; `read_consistency`: copies that a read asks, or how many agree.
    """

    shard_number: int | None = None
    replication_factor: int | None = None
    write_consistency_factor: int | None = None
    read_consistency: int | Literal["majority", "quorum", "all"] | None = None

    @property
    def made(self) -> dict[str, Any]:
        """For a collection that is made."""
        return {
            "shard_number": self.shard_number,
            "replication_factor": self.replication_factor,
            "write_consistency_factor": self.write_consistency_factor,
        }

    @property
    def reads(self) -> models.ReadConsistency | None:
        """For each read."""
        wanted = self.read_consistency
        return models.ReadConsistencyType(wanted) if isinstance(wanted, str) else wanted
