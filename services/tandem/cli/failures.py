"""`tandem collections failures`."""

import dataclasses
from datetime import UTC, datetime
from typing import Annotated

import typer

from tandem.cli.console import Output, OutputOption, print_json, print_table, run
from tandem.cli.options import ApiKeyOption, ConfigOption, DataDirOption, PeerUrlOption
from tandem.domain.syncing import Failure


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

    settings = session.settings_for(config, data_dir, url, api_key)

    async def work() -> list[Failure]:
        async with session.features(settings) as (_, ingestor):
            return [failure async for failure in failures_of(ingestor, name, session.context())]

    found = run(work())
    if output is Output.json:
        print_json({"data": [dataclasses.asdict(failure) for failure in found]})
        return
    print_table(
        ("document", "reason", "attempts", "last", "place"),
        [(one.document_id, one.reason, one.attempts, _time(one.failed_at), one.place or "") for one in found],
    )


def _time(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(sep=" ", timespec="seconds")
