"""Documents that are not taken: what their writer is told, and what is remembered of them."""

from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, PermissionDenied
from tandem.domain.syncing import Failure


def not_yours(document_id: str) -> PermissionDenied:
    """Of an id that is taken by a document which the caller may not see. That it is taken cannot be kept from somebody who
    may write; nothing else of the document is told, and nothing of it changes.
    """
    return PermissionDenied(
        f"This caller may not write the document {document_id!r}.", hint="Use another id.", param="id"
    )


def failure_of(document: RawDocument, error: DocumentRejected, failed_at: float) -> Failure:
    """What is remembered of a document that could not be read; `failed_at` in epoch seconds."""
    message = f"{error.message} {error.hint}" if error.hint else error.message
    return Failure(
        document.id, error.reason, message, document.source, failed_at, document.place, acl=tuple(document.acl)
    )
