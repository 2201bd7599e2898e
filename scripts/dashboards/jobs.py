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
            "Batches in the store",
            "short",
            (Query(summed("tandem_batches_open", "status", how="max"), "{{status}}"),),
            "Those that are not over.",
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

_STREAMS = Row(
    "Streams",
    (
        Panel(
            "Questions done per second",
            "ops",
            (Query(rate("tandem_stream_questions_total", "stream", "outcome"), "{{stream}} {{outcome}}"),),
            "answered, or the code of the error.",
            stacked=True,
        ),
        Panel(
            "Questions without an answer",
            "short",
            (
                Query(summed("tandem_stream_behind", "stream"), "{{stream}} behind"),
                Query(summed("tandem_stream_taken", "stream"), "{{stream}} in hand"),
            ),
            "Behind: about how many records have no answer yet.",
        ),
        Panel(
            "From question to answer",
            "s",
            (
                Query(quantile(0.5, "tandem_stream_seconds", "stream"), "{{stream}} p50"),
                Query(quantile(0.95, "tandem_stream_seconds", "stream"), "{{stream}} p95"),
            ),
            "From when a question was written to its topic until its answer was committed.",
        ),
        Panel(
            "Attempts made again",
            "short",
            (Query(grown("tandem_stream_put_back_total", "stream", "reason"), "{{stream}} {{reason}}"),),
            "preempted: the place was given to somebody who waits.",
            stacked=True,
        ),
        Panel(
            "Streams open",
            "short",
            (Query(summed("tandem_stream_open", "stream"), "{{stream}}"),),
            "Processes in which a stream is open; 0 while it is waited for.",
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
    (_QUEUE, _STREAMS, _BACKGROUND),
)
