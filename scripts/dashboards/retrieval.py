"""How passages are found: how long it takes, what fails, what is left out, what caches spare."""

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.queries import grown, mean, quantile, quantiles, rate, summed

_RETRIEVAL = Row(
    "Retrieval",
    (
        Panel(
            "Retrievals per second",
            "reqps",
            (Query(rate("tandem_retrieval_seconds_count", "pod"), "{{pod}}"),),
            "By the process that makes them, and by the gateway that asks for them.",
            stacked=True,
        ),
        Panel("Duration", "s", quantiles("tandem_retrieval_seconds"), "One retrieval, rerank included."),
        Panel(
            "Duration, spread",
            "s",
            (Query(grown("tandem_retrieval_seconds_bucket", "le"), "{{le}}"),),
            "How many took how long.",
            kind="heatmap",
        ),
        Panel(
            "Duration by stage",
            "s",
            (Query(quantile(0.95, "tandem_retrieval_stage_seconds", "stage"), "p95 {{stage}}", True),),
            "embed is the question's; what follows depends on the plan of the retrieval.",
        ),
        Panel(
            "Relevance of the best passage",
            "percentunit",
            (
                Query(quantile(0.1, "tandem_retrieval_relevance"), "p10"),
                Query(quantile(0.5, "tandem_retrieval_relevance"), "p50"),
            ),
            "Also where it was below the threshold, and nothing was answered from it.",
            most=1,
        ),
        Panel(
            "Passages handed on",
            "short",
            (Query(mean("tandem_retrieval_passages"), "mean"),),
            "For one retrieval.",
        ),
        Panel(
            "Failures by code",
            "reqps",
            (Query(rate("tandem_retrieval_failures_total", "code"), "{{code}}"),),
            "collection_not_found is the caller's; what speaks of upstream or store is ours.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Left out",
            "reqps",
            (Query(rate("tandem_degraded_total", "what"), "{{what}}"),),
            "In the words of `degraded`: what answers had to do without.",
            width=12,
            stacked=True,
        ),
    ),
)

_BESIDE = Row(
    "Caches and suspicious passages",
    (
        Panel(
            "Look-ups of the caches by result",
            "ops",
            (Query(rate("tandem_cache_lookups_total", "cache", "result"), "{{cache}} {{result}}"),),
            "bypass: the request takes no part.",
            stacked=True,
        ),
        Panel(
            "What the caches hold",
            "bytes",
            (Query(summed("tandem_cache_bytes", "cache"), "{{cache}}"),),
            "About, over all processes.",
            stacked=True,
        ),
        Panel(
            "Suspicious passages per second",
            "ops",
            (Query(rate("tandem_suspicious_passages_total", "pod"), "{{pod}}"),),
            "Passages that speak to the model: docs/security.md.",
        ),
    ),
)

BOARD = Dashboard(
    "tandem-retrieval",
    "Tandem: retrieval",
    "How passages are found, and what they are found without.",
    (_RETRIEVAL, _BESIDE),
)
