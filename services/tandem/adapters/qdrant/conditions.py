"""Which points are meant, in words that every engine's filter can be made from."""

from dataclasses import dataclass

from tandem.adapters.qdrant.payload import ACL, PATHS, TENANT
from tandem.domain.filters import Filter
from tandem.domain.viewer import Viewer

FIRST = 0


Values = tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field equals one of these; of a list field, any element does."""

    key: str
    values: Values


@dataclass(frozen=True, slots=True)
class Within:
    """Inclusive bounds; None is open. A point without the field does not match."""

    key: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class OpenTo:
    """The list field is empty or not there, as in points from before there was one, or it holds one of `groups`."""

    key: str
    groups: tuple[str, ...]


Clause = OneOf | Within | OpenTo


@dataclass(frozen=True, slots=True)
class Where:
    """All of `must` hold."""

    must: tuple[Clause, ...]


# For what concerns no tenant's documents but the collection itself.
EVERYTHING = Where(())
# Every tenant's, without what is remembered beside them.
CHUNKS = Where((Within("ordinal", FIRST),))
FIRST_CHUNKS = Where((OneOf("ordinal", (FIRST,)),))


def seen_by(viewer: Viewer, filters: Filter = ()) -> Where:
    """The points that the viewer may see and on which the conditions hold. Everything that is read starts here."""
    clauses = _seen(viewer)
    for condition in filters:
        if condition.any_of:
            key = PATHS if condition.field == "path" else condition.field
            clauses.append(OneOf(key, condition.any_of))
        if condition.at_least is not None or condition.at_most is not None:
            clauses.append(Within(condition.field, condition.at_least, condition.at_most))
    return Where(tuple(clauses))


def seen_of_document(viewer: Viewer, document_id: str) -> Where:
    """All chunks of one document, if the viewer may see it."""
    return Where((*_seen(viewer), OneOf("document_id", (document_id,))))


def seen_first_chunks(viewer: Viewer) -> Where:
    """One point per document that the viewer may see: the one that carries its record."""
    return Where((*_seen(viewer), OneOf("ordinal", (FIRST,))))


def _seen(viewer: Viewer) -> list[Clause]:
    """The one place where it is said who sees what."""
    tenant: list[Clause] = [OneOf(TENANT, (viewer.tenant,))]
    return tenant if viewer.sees_all else [*tenant, OpenTo(ACL, viewer.groups)]


def of_tenant(tenant: str) -> Where:
    """All of this tenant's points: to be dropped."""
    return Where((OneOf(TENANT, (tenant,)),))


def of_document(tenant: str, document_id: str) -> Where:
    """All chunks of one document, whoever may see it: to be written over or taken back."""
    return Where((OneOf(TENANT, (tenant,)), OneOf("document_id", (document_id,))))


def first_chunk(tenant: str, document_id: str) -> Where:
    """The point that carries the document's record: to be written."""
    return Where((OneOf(TENANT, (tenant,)), OneOf("document_id", (document_id,)), OneOf("ordinal", (FIRST,))))


def left_over(tenant: str, document_id: str, chunks: int) -> Where:
    """The document's chunks behind the first `chunks`: what a longer version left, when those were overwritten."""
    return Where((OneOf(TENANT, (tenant,)), OneOf("document_id", (document_id,)), Within("ordinal", chunks)))
