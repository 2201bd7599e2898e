"""`tandem ingest`."""

import dataclasses
from typing import Annotated

import typer

from tandem.cli.console import Output, OutputOption, err, out, print_json, run
from tandem.cli.options import ApiKeyOption, CollectionOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.ingestion.progress import SyncReport


def ingest(
    places: Annotated[list[str], typer.Argument(metavar="PATH|URL...", help="Files, folders and web pages.")],
    collection: CollectionOption = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete documents of these places that are no longer there.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Only the I-th (from 0) of N shares of the documents, by a hash of their ids.",
            show_default="all documents",
        ),
    ] = None,
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Put documents into a collection; what has not changed is not written again. Exit code 1 when any document failed."""
    from tandem.app import parts
    from tandem.cli import session
    from tandem.cli.progress import report_failures, report_line, sync_progress
    from tandem.ingestion.shards import WHOLE, Shard
    from tandem.pipeline.syncing import sync

    share = WHOLE if shard is None else Shard.parse(shard)
    settings = session.settings_for(config, data_dir, url, api_key)
    into = collection or settings.retrieval.collection

    async def work() -> SyncReport:
        async with session.features(settings) as (_, ingestor), parts.sources(settings, places) as named:
            with sync_progress() as watch:
                return await sync(
                    ingestor,
                    named,
                    collection=into,
                    context=session.context(),
                    prune=prune,
                    shard=share,
                    watch=watch,
                )

    report = run(work())
    if output is Output.json:
        print_json(
            {
                "collection": into,
                **{status: report.count(status) for status in ("added", "updated", "unchanged", "removed", "failed")},
                "skipped": dict(report.skipped),
                "failures": [dataclasses.asdict(outcome) for outcome in report.failed],
            }
        )
    else:
        report_failures(report)
        out.print(f"{into}: {report_line(report)}")
    if report.skipped:
        kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in sorted(report.skipped.items()))
        err.print(f"skipped (no text format): {kinds}", style="dim", markup=False)
    if report.prune_refused:
        err.print("Nothing was pruned: some places could not be listed completely.", style="yellow")
    raise typer.Exit(1 if report.failed or report.prune_refused else 0)
