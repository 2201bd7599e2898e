"""What synchronisations compare with and remember, on the wire."""

from typing import Annotated, Literal

from pydantic import Field

from tandem.domain.groups import MAX_GROUPS
from tandem.domain.syncing import DocumentMark, Failure, FailurePage, MarkPage, StreamPosition
from tandem.http.wire.documents import GroupName
from tandem.http.wire.text import Ours, Out, ShortText

MAX_MARKS = 100_000
MAX_FAILURES = 1_000
MAX_PARTITIONS = 10_000

Word = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z0-9_]+$")]


VERSION_IS = (
    "The source's word for exactly these bytes: a later synchronisation passes over the document while it stays."
)
ORIGIN_IS = "The mark of the place it came from: a synchronisation of that place may delete it."
PLACE_IS = "What to name to have it read again, should it be rejected."
CHANGED_IS = "Epoch seconds of the event that told of it."
STREAM_IS = "With partition and position: the event's place in a stream, which takes effect once."
Whole = Annotated[int, Field(ge=0, lt=2**63)]


class WireMark(Out):
    """A stored document as a synchronisation compares it; without `version` it has to be read."""

    id: str
    source: str
    chunks: int
    origin: str | None
    version: str | None


class WireMarks(Out):
    """Some marks, ordered by id."""

    data: list[WireMark]
    has_more: bool
    next_after: str | None


class WireFailure(Out):
    """A document that could not be ingested, and why."""

    document_id: str
    reason: str
    message: str
    source: str
    place: str | None
    failed_at: float
    attempts: int
    acl: list[str]


class WireFailures(Out):
    """Some failures, ordered by document id."""

    data: list[WireFailure]
    has_more: bool
    next_after: str | None


class NotedFailure(Ours):
    """Body of `POST /v1/collections/{name}/failures`."""

    document_id: Annotated[str, Field(min_length=1, max_length=2_000)]
    reason: Word
    message: Annotated[str, Field(max_length=4_000)]
    source: ShortText
    place: ShortText | None = None
    acl: list[GroupName] = Field(default=[], max_length=MAX_GROUPS)
    stream: ShortText | None = None
    partition: Whole | None = None
    position: Whole | None = None

    def failure(self) -> Failure:
        """The domain's; when and how often is the ingestor's to say."""
        return Failure(self.document_id, self.reason, self.message, self.source, 0.0, self.place, acl=tuple(self.acl))

    def event(self) -> StreamPosition | None:
        """Which event that was, where it came in a stream."""
        return position_of(self.stream, self.partition, self.position)


class FailureForgotten(Out):
    """Answer of `DELETE /v1/collections/{name}/failures`."""

    document_id: str
    forgotten: bool


class FailureNoted(Out):
    """Answer of `POST /v1/collections/{name}/failures`."""

    document_id: str
    noted: Literal[True] = True


class WirePositions(Out):
    """How far partitions of a stream have taken effect."""

    stream: str
    positions: dict[int, int]


def wire_marks(page: MarkPage) -> WireMarks:
    """A page of marks."""
    return WireMarks(
        data=[_mark(mark) for mark in page.marks], has_more=page.next_after is not None, next_after=page.next_after
    )


def wire_failures(page: FailurePage) -> WireFailures:
    """A page of failures."""
    return WireFailures(
        data=[_failure(failure) for failure in page.failures],
        has_more=page.next_after is not None,
        next_after=page.next_after,
    )


def position_of(stream: str | None, partition: int | None, position: int | None) -> StreamPosition | None:
    """All three, or it is no position."""
    if stream is None or partition is None or position is None:
        return None
    return StreamPosition(stream, partition, position)


def _mark(mark: DocumentMark) -> WireMark:
    return WireMark(id=mark.id, source=mark.source, chunks=mark.chunks, origin=mark.origin, version=mark.version)


def _failure(failure: Failure) -> WireFailure:
    return WireFailure(
        document_id=failure.document_id,
        reason=failure.reason,
        message=failure.message,
        source=failure.source,
        place=failure.place,
        failed_at=failure.failed_at,
        attempts=failure.attempts,
        acl=list(failure.acl),
    )
