"""Points without vectors that remember failures and positions of streams: no search finds them, no document counts them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tandem.adapters.qdrant.conditions import OneOf, Where
from tandem.adapters.qdrant.payload import NewPoint, Payload, note_id
from tandem.domain.syncing import Failure, StreamPosition

# Not the field that a document's points have: whatever asks for a tenant's documents never meets these.
OWNER = "note_of"
_KIND = "note"
_FAILURE = "failure"
_POSITION = "position"

# Every tenant's.
POSITIONS = Where((OneOf(_KIND, (_POSITION,)),))
NOTES = Where((OneOf(_KIND, (_FAILURE, _POSITION)),))


def of_owner(tenant: str) -> Where:
    """All notes of a tenant."""
    return Where((OneOf(OWNER, (tenant,)),))


def failures_of(tenant: str) -> Where:
    """All failures of a tenant."""
    return Where((OneOf(OWNER, (tenant,)), OneOf(_KIND, (_FAILURE,))))


def failure_of_document(tenant: str, document_id: str) -> Where:
    """The failure of one document."""
    return Where((OneOf(OWNER, (tenant,)), OneOf(_KIND, (_FAILURE,)), OneOf("failed_id", (document_id,))))


def failure_id(tenant: str, document_id: str) -> str:
    """One for each document."""
    return note_id(tenant, _FAILURE, document_id)


def position_id(tenant: str, stream: str, partition: int) -> str:
    """One for each partition."""
    return note_id(tenant, _POSITION, stream, str(partition))


def failure_note(tenant: str, failure: Failure) -> NewPoint:
    """The point that remembers it."""
    said = asdict(failure)
    payload: dict[str, Any] = {OWNER: tenant, _KIND: _FAILURE, "failed_id": said.pop("document_id"), **said}
    return NewPoint(failure_id(tenant, failure.document_id), None, payload)


def position_note(tenant: str, position: StreamPosition) -> NewPoint:
    """The point that remembers it."""
    payload: dict[str, Any] = {OWNER: tenant, _KIND: _POSITION, **asdict(position)}
    return NewPoint(position_id(tenant, position.stream, position.partition), None, payload)


def failure_in(payload: Payload) -> Failure:
    """What the point remembers."""
    return Failure(
        document_id=payload["failed_id"],
        reason=payload["reason"],
        message=payload["message"],
        source=payload["source"],
        failed_at=payload["failed_at"],
        place=payload.get("place"),
        attempts=payload["attempts"],
        acl=tuple(payload.get("acl") or ()),
    )


def positions_in(payloads: Sequence[Payload]) -> dict[int, int]:
    """Partition to position."""
    return {payload["partition"]: payload["position"] for payload in payloads}


def owned_position(payload: Payload) -> tuple[str, StreamPosition]:
    """Whose position it is, and the position."""
    return str(payload[OWNER]), StreamPosition(payload["stream"], payload["partition"], payload["position"])
