"""Where many documents come from: a folder, a repository, a bucket, a site."""

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

    @property
    def version(self) -> str | None:
        """Other bytes have another version; None when that cannot be told without reading it."""
        ...

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Its bytes; None when the place says that it still is the version `unless`, which is then not sent again.

        Raises `DocumentRejected` when it cannot be had, is too large, or is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything a source holds, in a stable order.

    `origin` is what documents of this very place are known by: the source speaks for all that carry it. `roots` are
    folders, ending in a slash: it speaks as well for documents without an origin whose `source` begins so, as earlier
    releases wrote them. `faults` are entries that could not even be listed; `skipped` counts, per suffix, files that
    hold no text. `acl` are the groups that every document is given by the run. Only a `complete` listing proves that what is not in it is gone.
    """

    refs: tuple[DocumentRef, ...]
    roots: tuple[str, ...] = ()
    faults: tuple[IngestOutcome, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True
    origin: str | None = None
    acl: tuple[str, ...] = ()


class Source(Protocol):
    """A place named by the user."""

    @property
    def place(self) -> str:
        """How the user can name it again, from anywhere on this machine; passwords left out."""
        ...

    async def listing(self) -> Listing:
        """Raises `InvalidRequest` when there is no such place, or nothing of it may be read."""
        ...
