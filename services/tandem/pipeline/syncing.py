"""Many documents at once: what a source holds is put into a collection, what it no longer holds can be taken out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tandem.domain.context import RequestContext
from tandem.domain.document import IngestOutcome
from tandem.domain.syncing import DocumentMark
from tandem.ingestion.progress import Indexing, Listed, Settled, SyncReport
from tandem.ingestion.shards import WHOLE, Shard
from tandem.pipeline.putting import Item, Putting, Watch
from tandem.pipeline.remembered import failures_of, marks_of
from tandem.ports.ingestor import Ingestor
from tandem.ports.source import DocumentRef, Listing, Source

__all__ = ["Watch", "sync"]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A source with what it holds."""

    place: str
    listing: Listing


async def sync(
    ingestor: Ingestor,
    sources: Sequence[Source],
    *,
    collection: str,
    context: RequestContext,
    prune: bool = False,
    concurrency: int = 32,
    shard: Shard = WHOLE,
    watch: Watch = lambda _event: None,
) -> SyncReport:
    """Put every document of `sources`; a document that cannot be read fails alone, and is remembered as failed.

    Run again it writes only what changed, so a run that was stopped is completed by the next: what still is the version
    that the collection holds is not even read. With `prune`, documents that came from these sources and that were not
    listed are deleted; those that have moved are written under their new ids first, so that their vectors need not be
    made again. Reading, parsing and embedding of `concurrency` documents overlap, as long as they have no more than 64 MB
    together: texts of several are embedded and written together. Of all this only the documents of `shard` are looked at: runs over the other shards, elsewhere and at the same
    time, do the rest.

    Raises `InvalidRequest` for a place that does not exist, before anything is written, and whatever concerns the store
    and not one document (`StoreFull`, `StoreBusy`, `StoreMismatch`, `UpstreamUnavailable`, …).
    """
    listed = [_Listed(source.place, await source.listing()) for source in sources]
    found, clashes = _distinct(listed, shard)
    # Counted by suffix, they have no shard: the first one tells them.
    skipped = sum((Counter(each.listing.skipped) for each in listed if shard.index == 0), Counter[str]())
    watch(Listed(len(found), sum(item.ref.size or 0 for item in found), skipped))
    faults = [fault for each in listed for fault in each.listing.faults if shard.holds(fault.document_id)] + clashes
    known = await marks_of(ingestor, collection, context)
    failed = {failure.document_id: failure async for failure in failures_of(ingestor, collection, context)}
    putting = Putting(ingestor, collection, context, known, failed)
    outcomes = await putting.all(found, width=concurrency, watch=watch)
    complete = all(each.listing.complete for each in listed)
    removed: list[IngestOutcome] = []
    if complete:
        ids = {item.ref.id for item in found}
        if prune:
            removed = await _remove_others(ingestor, listed, known, ids, collection, context, shard)
            for outcome in removed:
                watch(Settled(outcome, len(found), len(found)))
        places = {each.place for each in listed}
        for failure in failed.values():
            # What failed once and is no longer there has not to be tried again.
            if failure.place in places and failure.document_id not in ids and shard.holds(failure.document_id):
                await ingestor.forget_failure(collection, failure.document_id, context)
    if removed or any(outcome.status in {"added", "updated"} for outcome in outcomes):
        watch(Indexing())
        await ingestor.settle(collection)
    return SyncReport((*outcomes, *faults, *removed), skipped, prune and not complete)


def _distinct(listed: Sequence[_Listed], shard: Shard) -> tuple[list[Item], list[IngestOutcome]]:
    """The first of each id; a second place that gives the same ids would overwrite the first without a word."""
    first: dict[str, Item] = {}
    clashes: dict[str, IngestOutcome] = {}
    for each in listed:
        for ref in each.listing.refs:
            if not shard.holds(ref.id):
                continue
            known = first.setdefault(ref.id, Item(ref, each.place, each.listing.origin, each.listing.acl))
            if _differ(known.ref, ref):
                message = "Two of the given places have a document of this id; ingest them into different collections."
                clashes[ref.id] = IngestOutcome(ref.id, "failed", reason="duplicate_id", message=message)
    return list(first.values()), list(clashes.values())


def _differ(left: DocumentRef, right: DocumentRef) -> bool:
    return left is not right and left != right


async def _remove_others(
    ingestor: Ingestor,
    listed: Sequence[_Listed],
    known: Mapping[str, DocumentMark],
    kept: set[str],
    collection: str,
    context: RequestContext,
    shard: Shard,
) -> list[IngestOutcome]:
    """Delete the documents that came from these places and are not there any more."""
    origins = {each.listing.origin for each in listed} - {None}
    roots = tuple(root for each in listed for root in each.listing.roots)

    def came_from_here(mark: DocumentMark) -> bool:
        return mark.origin in origins if mark.origin is not None else mark.source.startswith(roots)

    gone = [mark.id for mark in known.values() if mark.id not in kept and shard.holds(mark.id) and came_from_here(mark)]
    for document_id in gone:
        await ingestor.delete(collection, document_id, context)
    return [IngestOutcome(document_id, "removed") for document_id in gone]
