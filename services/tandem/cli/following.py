"""`tandem ingest kafka://…`."""

import time
from collections import Counter

from tandem.app.places import stream_at
from tandem.app.settings import Settings
from tandem.cli import session
from tandem.cli.console import Output, err, out, print_json, run
from tandem.pipeline.following import Applied, follow

_SAY_EVERY_S = 5.0


def follow_topic(settings: Settings, collection: str, place: str, *, until_end: bool, output: Output) -> None:
    """Until interrupted, or `until_end`. What cannot be ingested is told, remembered, and stops nothing."""
    counts: Counter[str] = Counter()
    said_s = time.monotonic()

    def watch(applied: Applied) -> None:
        nonlocal said_s
        outcome = applied.outcome
        counts[outcome.status] += 1
        if outcome.status == "failed":
            err.print(f"failed  {outcome.document_id}: {outcome.reason}: {outcome.message}", markup=False)
        if not until_end and time.monotonic() - said_s > _SAY_EVERY_S:
            said_s = time.monotonic()
            err.print(_line(collection, counts), style="dim")

    async def work() -> None:
        stream = stream_at(settings, place)
        async with session.features(settings) as (_, ingestor):
            await follow(
                ingestor, stream, collection=collection, context=session.context(), until_end=until_end, watch=watch
            )
            await ingestor.settle(collection)

    run(work())
    if output is Output.json:
        print_json({"collection": collection, **counts})
    else:
        out.print(_line(collection, counts))


def _line(collection: str, counts: Counter[str]) -> str:
    return f"{collection}: {', '.join(f'{status} {count}' for status, count in sorted(counts.items())) or 'no events'}"
