"""What failed is tried again, from where it came."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.syncing import Failure
from tandem.ingestion.labels import Labels
from tandem.ingestion.progress import SyncReport
from tandem.pipeline.labelling import labelled
from tandem.pipeline.putting import Watch
from tandem.pipeline.remembered import failures_of
from tandem.pipeline.syncing import sync
from tandem.ports.ingestor import Ingestor
from tandem.ports.source import Listing, Source

# The source behind a place, open while the context is.
Opened = Callable[[str], AbstractAsyncContextManager[Sequence[Source]]]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of them; `homeless` came by themselves, and their owners have to send them again."""

    report: SyncReport
    homeless: tuple[Failure, ...]


async def retry_failed(
    ingestor: Ingestor,
    opened: Opened,
    *,
    collection: str,
    context: RequestContext,
    places: Collection[str] = (),
    labels: Labels | None = None,
    watch: Watch = lambda _event: None,
) -> Retried:
    """Only of these `places`, where some are named. Who may see a document stays as it was when it failed.

    A failure whose document is no longer there is forgotten. Raises what `sync` raises.
    """
    failures = [failure async for failure in failures_of(ingestor, collection, context)]
    wanted = [failure for failure in failures if not places or failure.place in places]
    reports = []
    for (place, acl), ids in _grouped(wanted).items():
        said = labels or Labels()
        said = replace(said, acl=tuple(dict.fromkeys((*said.acl, *acl))))
        async with opened(place) as named:
            sources = [_Only(source, frozenset(ids)) for source in labelled(named, said)]
            reports.append(await sync(ingestor, sources, collection=collection, context=context, watch=watch))
    outcomes = tuple(outcome for report in reports for outcome in report.outcomes)
    return Retried(SyncReport(outcomes), tuple(failure for failure in wanted if failure.place is None))


def _grouped(failures: Iterable[Failure]) -> dict[tuple[str, tuple[str, ...]], set[str]]:
    found: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for failure in failures:
        if failure.place is not None:
            found.setdefault((failure.place, failure.acl), set()).add(failure.document_id)
    return found


@dataclass(frozen=True, slots=True)
class _Only:
    """Some documents of a source."""

    inner: Source
    ids: frozenset[str]

    @property
    def place(self) -> str:
        """The source's own."""
        return self.inner.place

    async def listing(self) -> Listing:
        """The source's own, of these documents only; so it proves nothing about the others."""
        found = await self.inner.listing()
        faults = tuple(fault for fault in found.faults if fault.document_id in self.ids)
        return replace(found, refs=tuple(ref for ref in found.refs if ref.id in self.ids), faults=faults, skipped={})
