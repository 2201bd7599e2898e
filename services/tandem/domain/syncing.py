"""What is remembered between two synchronisations: versions, failures, and how far a stream has taken effect."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """An event's place in a stream: positions of one partition grow with time."""

    stream: str
    partition: int
    position: int


@dataclass(frozen=True, slots=True)
class DocumentMark:
    """What a synchronisation has to know of a stored document.

    `version` is the source's word for the bytes it was made of; None when they have to be read all the same, since the
    source had none or since documents are read otherwise by now.
    """

    id: str
    source: str
    chunks: int
    origin: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class MarkPage:
    """Some marks, ordered by document id, and where the next page starts (None at the end)."""

    marks: tuple[DocumentMark, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be ingested, and why: it is kept until it succeeds or is deleted.

    `reason` is the stable word of `DocumentRejected`. `place` is what to name to try again: the folder, bucket, site or
    topic; None when its owner has to send it again. `attempts` counts; `failed_at` is the last one, in epoch seconds.
    `acl` is the document's: who may not see it, does not see this either.
    """

    document_id: str
    reason: str
    message: str
    source: str
    failed_at: float
    place: str | None = None
    attempts: int = 1
    acl: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailurePage:
    """Some failures, ordered by document id, and where the next page starts (None at the end)."""

    failures: tuple[Failure, ...]
    next_after: str | None
