"""What a synchronisation reads of a collection at another Tandem, back in the domain's words."""

from pydantic import BaseModel, ConfigDict

from tandem.domain.syncing import DocumentMark, Failure, FailurePage, MarkPage, StreamPosition


class _In(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _InMark(_In):
    id: str
    source: str
    chunks: int
    origin: str | None = None
    version: str | None = None


class InMarks(_In):
    """Answer of `GET /v1/collections/{name}/marks`."""

    data: tuple[_InMark, ...]
    next_after: str | None = None

    def page(self) -> MarkPage:
        """The domain's."""
        return MarkPage(tuple(DocumentMark(**dict(mark)) for mark in self.data), self.next_after)


class _InFailure(_In):
    document_id: str
    reason: str
    message: str
    source: str
    failed_at: float
    place: str | None = None
    attempts: int = 1
    acl: tuple[str, ...] = ()


class InFailures(_In):
    """Answer of `GET /v1/collections/{name}/failures`."""

    data: tuple[_InFailure, ...]
    next_after: str | None = None

    def page(self) -> FailurePage:
        """The domain's."""
        return FailurePage(tuple(Failure(**dict(failure)) for failure in self.data), self.next_after)


class InForgotten(_In):
    """Answer of `DELETE /v1/collections/{name}/failures`."""

    forgotten: bool


class InPositions(_In):
    """Answer of `GET /v1/collections/{name}/positions`."""

    positions: dict[int, int]


def position_query(position: StreamPosition | None) -> dict[str, object]:
    """Query parameters; none without a position."""
    if position is None:
        return {}
    return {"stream": position.stream, "partition": position.partition, "position": position.position}
