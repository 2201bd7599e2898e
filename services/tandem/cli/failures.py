"""`tandem collections failures`."""

import dataclasses
from typing import Annotated

import typer

from tandem.cli.console import Output, OutputOption, print_json, print_table
from tandem.cli.lineage_shown import when
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.domain.context import RequestContext
from tandem.domain.syncing import Failure
from tandem.ports.ingestor import Ingestor


def failures(
    name: Annotated[str, typer.Argument(help="The collection's name.")],
    url: PeerUrlOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.table,
) -> None:
    """List documents that could not be ingested, and why; `tandem ingest --retry-failed` tries them again."""
    from tandem.cli import session
    from tandem.pipeline.remembered import failures_of

    async def work(documents: Ingestor, context: RequestContext) -> list[Failure]:
        return [failure async for failure in failures_of(documents, name, context)]

    found = session.with_documents(work, config, data_dir, url, api_key)
    if output is Output.json:
        print_json({"data": [dataclasses.asdict(failure) for failure in found]})
        return
    print_table(
        ("document", "reason", "attempts", "last", "place"),
        [(one.document_id, one.reason, one.attempts, when(one.failed_at), one.place or "") for one in found],
    )
