"""Many documents at once: what a source holds is put into a collection, what it no longer holds can be taken out."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest, Overloaded, UnknownCollection, UpstreamUnavailable
from tandem.ingestion.progress import Indexing, Listed, Settled, SyncEvent, SyncReport
from tandem.ingestion.shards import WHOLE, Shard
from tandem.ports.ingestor import Ingestor
from tandem.ports.source import DocumentRef, Listing, Source

_PAGE = 500
_TRIES = 4
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 10.0

Watch = Callable[[SyncEvent], None]


async def sync(
    ingestor: Ingestor,
    sources: Sequence[Source],
    *,
    collection: str,
    context: RequestContext,
    prune: bool = False,
    concurrency: int = 3,
    shard: Shard = WHOLE,
    watch: Watch = lambda _event: None,
) -> SyncReport:
    """Put every document of `sources`; a document that cannot be read fails alone.

    Run again it writes only what changed, so a run that was stopped is completed by the next. With `prune`, documents
    whose `source` lies under the sources and that were not listed are deleted. Reading, parsing and embedding of
    `concurrency` documents overlap; that many bodies are in memory at most. Of all this only the documents of `shard`
    are looked at: runs over the other shards, elsewhere and at the same time, do the rest.

    Raises `InvalidRequest` for a place that does not exist, before anything is written, and whatever concerns the store
    and not one document (`StoreFull`, `StoreBusy`, `StoreMismatch`, `UpstreamUnavailable`, …).
    """
    listings = [await source.listing() for source in sources]
    refs, clashes = _distinct(listings)
    refs = [ref for ref in refs if shard.holds(ref.id)]
    # Counted by suffix, they have no shard: the first one tells them.
    skipped = sum((Counter(listing.skipped) for listing in listings if shard.index == 0), Counter[str]())
    watch(Listed(len(refs), sum(ref.size or 0 for ref in refs), skipped))
    faults = [fault for listing in listings for fault in listing.faults] + clashes
    faults = [fault for fault in faults if shard.holds(fault.document_id)]
    outcomes = await _put_all(ingestor, refs, collection, context, width=concurrency, watch=watch)
    removed: list[IngestOutcome] = []
    complete = all(listing.complete for listing in listings)
    if prune and complete:
        kept = {ref.id for ref in refs}
        roots = tuple(root for listing in listings for root in listing.roots)
        removed = await _remove_others(ingestor, roots, kept, collection, context, shard)
        for outcome in removed:
            watch(Settled(outcome, len(refs), len(refs)))
    if removed or any(outcome.status in {"added", "updated"} for outcome in outcomes):
        watch(Indexing())
        await ingestor.settle(collection)
    return SyncReport((*outcomes, *faults, *removed), skipped, prune and not complete)


def _distinct(listings: Sequence[Listing]) -> tuple[list[DocumentRef], list[IngestOutcome]]:
    """The first of each id; a second place that gives the same ids would overwrite the first without a word."""
    refs: dict[str, DocumentRef] = {}
    clashes: dict[str, IngestOutcome] = {}
    for listing in listings:
        for ref in listing.refs:
            if ref.id in refs and refs[ref.id] != ref:
                message = "Two of the given places have a document of this id; ingest them into different collections."
                clashes[ref.id] = IngestOutcome(ref.id, "failed", reason="duplicate_id", message=message)
            refs.setdefault(ref.id, ref)
    return list(refs.values()), list(clashes.values())


async def _put_all(
    ingestor: Ingestor,
    refs: Sequence[DocumentRef],
    collection: str,
    context: RequestContext,
    *,
    width: int,
    watch: Watch,
) -> list[IngestOutcome]:
    outcomes: dict[int, IngestOutcome] = {}
    waiting = iter(enumerate(refs))

    async def work() -> None:
        for index, ref in waiting:
            outcomes[index] = await _put(ingestor, ref, collection, context)
            watch(Settled(outcomes[index], len(outcomes), len(refs)))

    with _plain_errors():
        async with asyncio.TaskGroup() as group:
            for _ in range(min(width, len(refs))):
                group.create_task(work())
    return [outcomes[index] for index in range(len(refs))]


@contextmanager
def _plain_errors() -> Iterator[None]:
    """The first failure itself instead of a group of one."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _put(ingestor: Ingestor, ref: DocumentRef, collection: str, context: RequestContext) -> IngestOutcome:
    try:
        return await _patiently(ingestor, await ref.read(), collection, context)
    except DocumentRejected as error:
        reason: str = error.reason
        message, hint = error.message, error.hint
    except InvalidRequest as error:
        reason = error.code
        message, hint = error.message, error.hint
    return IngestOutcome(ref.id, "failed", reason=reason, message=f"{message} {hint}" if hint else message)


async def _patiently(
    ingestor: Ingestor, document: RawDocument, collection: str, context: RequestContext
) -> IngestOutcome:
    """A peer that is busy or restarting gets a few more chances: a put may be repeated at no harm."""
    for attempt in range(1, _TRIES):
        try:
            return await ingestor.put(collection, document, context)
        except Overloaded as error:
            pause_s = min(error.retry_after_s, _MAX_PAUSE_S)
        except UpstreamUnavailable:
            pause_s = _FIRST_PAUSE_S * 2 ** (attempt - 1)
        await asyncio.sleep(pause_s)
    return await ingestor.put(collection, document, context)


async def _remove_others(
    ingestor: Ingestor, roots: tuple[str, ...], kept: set[str], collection: str, context: RequestContext, shard: Shard
) -> list[IngestOutcome]:
    """Delete the shard's documents that come from the roots and are not among the kept."""
    gone = [
        record_id
        for record_id, source in await _known(ingestor, collection, context)
        if record_id not in kept and source.startswith(roots) and shard.holds(record_id)
    ]
    for record_id in gone:
        await ingestor.delete(collection, record_id, context)
    return [IngestOutcome(record_id, "removed") for record_id in gone]


async def _known(ingestor: Ingestor, collection: str, context: RequestContext) -> list[tuple[str, str]]:
    """Id and source of every document of the collection."""
    found: list[tuple[str, str]] = []
    after: str | None = None
    while True:
        try:
            page = await ingestor.documents(collection, context, limit=_PAGE, after=after)
        except UnknownCollection:
            return found
        found.extend((record.id, record.source) for record in page.records)
        after = page.next_after
        if after is None:
            return found
