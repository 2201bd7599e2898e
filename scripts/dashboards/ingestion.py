"""The feature pipeline: documents coming in, rounds over sources, versions of collections."""

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.queries import grown, of, quantile, rate, summed

_DOCUMENTS = Row(
    "Documents",
    (
        Panel(
            "Documents per second by status",
            "ops",
            (Query(rate("tandem_documents_total", "status"), "{{status}}"),),
            "What became of them; unchanged ones are not embedded again.",
            stacked=True,
        ),
        Panel(
            "Documents per second and pod",
            "ops",
            (Query(rate("tandem_documents_total", "pod"), "{{pod}}"),),
            "Workers share the documents evenly.",
            stacked=True,
        ),
        Panel(
            "Freshness",
            "s",
            (
                Query(quantile(0.5, "tandem_ingest_freshness_seconds"), "p50"),
                Query(quantile(0.95, "tandem_ingest_freshness_seconds"), "p95"),
            ),
            "From the event that told of a document until it could be found.",
        ),
        Panel(
            "Requests to documents and collections",
            "reqps",
            (
                Query(
                    rate("tandem_responses_total", "route", "status", where='route=~"/v1/(documents|collections).*"'),
                    "{{route}} {{status}}",
                ),
            ),
            "At gateways and at the retriever.",
            width=24,
            stacked=True,
        ),
    ),
)

_ROUNDS = Row(
    "Sources",
    (
        Panel(
            "Since the last round came to its end",
            "s",
            (
                Query(
                    f"time() - {summed('tandem_sync_last_success_timestamp_seconds', 'source', how='max')}",
                    "{{source}}",
                ),
            ),
            "More than the time between two rounds: look at the workers' logs.",
        ),
        Panel(
            "Rounds by outcome",
            "short",
            (Query(grown("tandem_sync_rounds_total", "source", "outcome"), "{{source}} {{outcome}}"),),
            "interrupted: the workers changed, and shared the documents anew.",
            stacked=True,
        ),
        Panel(
            "Duration of a round",
            "s",
            (Query(quantile(0.95, "tandem_sync_seconds", "source"), "p95 {{source}}"),),
            "A round over a source in which nothing changed reads no document.",
        ),
    ),
)

_VERSIONS = Row(
    "Collections",
    (
        Panel(
            "Version that serves",
            "short",
            (Query(summed("tandem_collection_version", "collection", how="max"), "{{collection}}"),),
            "Of collections that the configuration names.",
        ),
        Panel(
            "Since it was promoted",
            "s",
            (
                Query(
                    f"time() - max by (collection) ({of('tandem_collection_promoted_timestamp_seconds')} > 0)",
                    "{{collection}}",
                ),
            ),
            "A version that ingestion made without a promotion has no such time.",
        ),
        Panel(
            "Promotions by how they ended",
            "short",
            (Query(grown("tandem_collection_promotions_total", "outcome"), "{{outcome}}"),),
            "promotion_refused: questions of the gate failed.",
            stacked=True,
        ),
    ),
)

BOARD = Dashboard(
    "tandem-ingestion",
    "Tandem: feature pipeline",
    "What comes in, how fresh it is, and which version of it serves.",
    (_DOCUMENTS, _ROUNDS, _VERSIONS),
)
