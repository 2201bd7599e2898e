"""What a collection remembers of earlier synchronisations, page by page."""

from collections.abc import AsyncIterator
from functools import partial

from tandem.domain.context import RequestContext
from tandem.domain.errors import UnknownCollection
from tandem.domain.syncing import DocumentMark, Failure
from tandem.pipeline.putting import patiently
from tandem.ports.ingestor import Ingestor

_MARKS = 50_000
_FAILURES = 500


async def marks_of(ingestor: Ingestor, collection: str, context: RequestContext) -> dict[str, DocumentMark]:
    """Of every document, by its id; none for a collection that does not exist yet."""
    found: dict[str, DocumentMark] = {}
    after: str | None = None
    while True:
        try:
            # A shard that begins while the store is busy or restarting must not fail for that.
            page = await patiently(partial(ingestor.marks, collection, context, limit=_MARKS, after=after))
        except UnknownCollection:
            return found
        found.update((mark.id, mark) for mark in page.marks)
        after = page.next_after
        if after is None:
            return found


async def failures_of(ingestor: Ingestor, collection: str, context: RequestContext) -> AsyncIterator[Failure]:
    """All that failed and has not succeeded since, ordered by id; none for a collection that does not exist."""
    after: str | None = None
    while True:
        try:
            page = await patiently(partial(ingestor.failures, collection, context, limit=_FAILURES, after=after))
        except UnknownCollection:
            return
        for failure in page.failures:
            yield failure
        after = page.next_after
        if after is None:
            return
