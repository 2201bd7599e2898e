"""Where many documents come from: a folder, a file, a web page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tandem.domain.document import IngestOutcome, RawDocument


class DocumentRef(Protocol):
    """A document that is known but not yet read."""

    @property
    def id(self) -> str:
        """The id it will have; not yet checked."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes, None when unknown."""
        ...

    async def read(self) -> RawDocument:
        """Its bytes. Raises `DocumentRejected` when it cannot be had, is too large, or is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything a source holds, in a stable order.

    `roots` are folders, ending in a slash: the source speaks for all documents whose `source` begins so. `faults` are entries that could not
    even be listed; `skipped` counts, per suffix, files that hold no text. Only a `complete` listing proves that what is
    not in it is gone.
    """

    refs: tuple[DocumentRef, ...]
    roots: tuple[str, ...] = ()
    faults: tuple[IngestOutcome, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True


class Source(Protocol):
    """A place named by the user."""

    async def listing(self) -> Listing:
        """Raises `InvalidRequest` when there is no such place, or nothing of it may be read."""
        ...
