"""Questions that are answered later, and the slots that they are lent."""

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.queries import grown, quantile, rate, summed

_QUEUE = Row(
    "Queue",
    (
        Panel(
            "Jobs in the store",
            "short",
            (Query(summed("tandem_jobs_queued", "queue", "state", how="max"), "{{queue}} {{state}}"),),
            "Each process that shares the store tells all of them.",
            stacked=True,
        ),
        Panel(
            "Ended per second",
            "ops",
            (Query(rate("tandem_jobs_total", "status"), "{{status}}"),),
            "By how they ended.",
            stacked=True,
        ),
        Panel(
            "Wait before the first attempt",
            "s",
            (
                Query(quantile(0.5, "tandem_job_wait_seconds"), "p50"),
                Query(quantile(0.95, "tandem_job_wait_seconds"), "p95"),
            ),
            "From when a job might have begun.",
        ),
        Panel(
            "Attempts put back",
            "short",
            (Query(grown("tandem_jobs_put_back_total", "reason"), "{{reason}}"),),
            "preempted: the place was given to somebody who waits; the rest is tried again later.",
            stacked=True,
        ),
    ),
)

_BACKGROUND = Row(
    "Background",
    (
        Panel(
            "Slots lent to the background",
            "short",
            (Query(summed("tandem_pool_background", "pool"), "{{pool}}"),),
            "Of those that run; given back as soon as somebody waits.",
            stacked=True,
        ),
    ),
)

BOARD = Dashboard(
    "tandem-jobs",
    "Tandem: jobs",
    "Questions that are answered later, and what they are given of the pools.",
    (_QUEUE, _BACKGROUND),
)
