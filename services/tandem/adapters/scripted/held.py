"""What the store in memory holds."""

from dataclasses import dataclass, field

from tandem.adapters.scripted.remembering import Memory
from tandem.domain.document import DocumentRecord, Recipe
from tandem.domain.lineage import UNTOLD, Lineage
from tandem.ports.vectors import EmbeddedChunk

Key = tuple[str, str]


@dataclass(slots=True)
class Entry:
    """A document."""

    record: DocumentRecord
    chunks: tuple[EmbeddedChunk, ...]


@dataclass(slots=True)
class Held:
    """A version of a collection; documents by tenant and id."""

    recipe: Recipe
    lineage: Lineage = UNTOLD
    documents: dict[Key, Entry] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
