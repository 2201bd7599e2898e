"""Which points are meant, in words that every engine's filter can be made from."""

from dataclasses import dataclass

from tandem.adapters.qdrant.payload import PATHS, TENANT
from tandem.domain.filters import Filter

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


Clause = OneOf | Within


@dataclass(frozen=True, slots=True)
class Where:
    """All of `must` hold."""

    must: tuple[Clause, ...]


# For what concerns no tenant's documents but the collection itself.
EVERYTHING = Where(())


def of_tenant(tenant: str, filters: Filter = ()) -> Where:
    """This tenant's points on which the conditions hold. Every query starts here."""
    clauses: list[Clause] = [OneOf(TENANT, (tenant,))]
    for condition in filters:
        if condition.any_of:
            key = PATHS if condition.field == "path" else condition.field
            clauses.append(OneOf(key, condition.any_of))
        if condition.at_least is not None or condition.at_most is not None:
            clauses.append(Within(condition.field, condition.at_least, condition.at_most))
    return Where(tuple(clauses))


def of_document(tenant: str, document_id: str) -> Where:
    """All chunks of one document."""
    return Where((OneOf(TENANT, (tenant,)), OneOf("document_id", (document_id,))))


def first_chunk(tenant: str, document_id: str) -> Where:
    """The point that carries the document's record."""
    return Where((OneOf(TENANT, (tenant,)), OneOf("document_id", (document_id,)), OneOf("ordinal", (FIRST,))))


def first_chunks(tenant: str) -> Where:
    """One point per document: the one that carries its record."""
    return Where((OneOf(TENANT, (tenant,)), OneOf("ordinal", (FIRST,))))


def left_over(tenant: str, document_id: str, chunks: int) -> Where:
    """The document's chunks behind the first `chunks`: what a longer version left, when those were overwritten."""
    return Where((OneOf(TENANT, (tenant,)), OneOf("document_id", (document_id,)), Within("ordinal", chunks)))
