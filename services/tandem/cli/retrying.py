"""`tandem ingest --retry-failed`."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import typer

from tandem.app.places import sources_at
from tandem.app.settings import Settings
from tandem.cli import session
from tandem.cli.console import Output, err, out, print_json, run
from tandem.cli.progress import report_failures, report_line, sync_progress
from tandem.domain.document import IngestStatus
from tandem.ingestion.labels import Labels
from tandem.pipeline.retrying import Retried, retry_failed
from tandem.ports.source import Source

_STATUSES: tuple[IngestStatus, ...] = ("added", "updated", "unchanged", "failed")


def retry(settings: Settings, collection: str, places: Sequence[str], labels: Labels, output: Output) -> None:
    """Exit code 1 when any document failed again, or has to be sent again by its owner."""

    @asynccontextmanager
    async def opened(place: str) -> AsyncIterator[Sequence[Source]]:
        async with sources_at(settings, [place]) as named:
            yield named

    async def work() -> Retried:
        async with session.features(settings) as (_, ingestor), sources_at(settings, places) as named:
            with sync_progress() as watch:
                return await retry_failed(
                    ingestor,
                    opened,
                    collection=collection,
                    context=session.context(),
                    places=[source.place for source in named],
                    labels=labels,
                    watch=watch,
                )

    done = run(work())
    if output is Output.json:
        counts: dict[str, object] = {status: done.report.count(status) for status in _STATUSES}
        print_json(
            {
                "collection": collection,
                **counts,
                "failures": [dataclasses.asdict(outcome) for outcome in done.report.failed],
                "homeless": [dataclasses.asdict(failure) for failure in done.homeless],
            }
        )
    else:
        report_failures(done.report)
        out.print(f"{collection}: {report_line(done.report)}")
        for failure in done.homeless:
            err.print(f"not tried  {failure.document_id}: it has to be sent again by who sent it.", markup=False)
    raise typer.Exit(1 if done.report.failed or done.homeless else 0)
