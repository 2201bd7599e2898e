"""What a run over many documents tells while it goes on, and what it says at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tandem.domain.document import IngestOutcome, IngestStatus


@dataclass(frozen=True, slots=True)
class Listed:
    """First event: how many documents there are, their bytes as far as known, and the files passed over, by suffix."""

    documents: int
    bytes: int
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Settled:
    """One document is done; `done` of `total` counts documents of the sources, not removals."""

    outcome: IngestOutcome
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Indexing:
    """Last event: the store indexes what was written."""


SyncEvent = Listed | Settled | Indexing


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Outcomes in the order of the listing, removals last.

    `skipped` counts, per suffix, files that hold no text. `prune_refused` is set when removals were asked for but the
    sources could not be listed completely, so that nothing may be taken for gone.
    """

    outcomes: tuple[IngestOutcome, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    prune_refused: bool = False

    def count(self, status: IngestStatus) -> int:
        """Documents with that outcome."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[IngestOutcome, ...]:
        """Those with a reason."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")

    @property
    def chunks(self) -> int:
        """Chunks of all documents that are in the collection now."""
        return sum(outcome.chunks for outcome in self.outcomes if outcome.status in {"added", "updated", "unchanged"})
