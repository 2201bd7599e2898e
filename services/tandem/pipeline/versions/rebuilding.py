"""From the places of a collection to its next version, complete: read anew, taken over, counted."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tandem.domain.context import RequestContext
from tandem.domain.lineage import Place, Version
from tandem.ingestion.labels import Labels
from tandem.ingestion.progress import SyncReport
from tandem.pipeline.labelling import labelled
from tandem.pipeline.putting import Watch
from tandem.pipeline.syncing import sync
from tandem.ports.ingestor import Ingestor
from tandem.ports.source import Listing, Source
from tandem.ports.versions import Left

Tell = Callable[[str, int, int], None]
Open = Callable[[Sequence[str]], AbstractAsyncContextManager[Sequence[Source]]]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`version` is `ready`, or still `building` where a place could not be listed completely. `carried` documents were
    written from the version before.
    """

    version: Version
    report: SyncReport
    carried: int
    complete: bool


class _Noted:
    """A source that remembers what it listed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.listed = Listing(())

    @property
    def place(self) -> str:
        return self._source.place

    async def listing(self) -> Listing:
        self.listed = await self._source.listing()
        return self.listed


async def rebuild(
    ingestor: Ingestor,
    collection: str,
    context: RequestContext,
    *,
    open_places: Open,
    places: Sequence[Place] = (),
    stored: bool = False,
    anew: bool = False,
    watch: Watch = lambda _event: None,
    tell: Tell = lambda _what, _done, _total: None,
) -> Rebuilt:
    """Build the next version of `collection` from `places`, or from those it came from.

    With `stored`, no place is read: all documents are taken over as they are stored. Stopped at any moment, it goes on
    when it is called again. Raises what `sync` and `ports/versions.py` raise.
    """
    build = await ingestor.versions.begin(collection, context, places=places, anew=anew)
    name = build.version.name
    read_anew = () if stored else build.places
    async with open_places([place.where for place in read_anew]) as found:
        # Who may see them was said when they were first read: it is said again.
        noted = [
            _Noted(*labelled([source], Labels(place.tags, place.acl, place.author)))
            for source, place in zip(found, read_anew, strict=True)
        ]
        report = SyncReport(())
        if noted:
            report = await sync(ingestor, noted, collection=name, context=context, prune=True, watch=watch)
    complete = all(each.listed.complete for each in noted)
    if not complete:
        return Rebuilt(build.version, report, 0, complete=False)
    left = Left(
        tuple(each.listed.origin for each in noted if each.listed.origin is not None),
        tuple(root for each in noted for root in each.listed.roots),
    )
    carried = 0
    after: str | None = None
    done = 0
    while True:
        part = await ingestor.versions.carry(name, context, left=left, after=after)
        carried, done, after = carried + part.written, done + part.done, part.next_after
        tell("taking over", done, max(done, part.total))
        if after is None:
            break
    return Rebuilt(await ingestor.versions.finish(name, context), report, carried, complete=True)
