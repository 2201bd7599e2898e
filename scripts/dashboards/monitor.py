"""Records of answers on their way: into the spool, out to sinks, and what is lost."""

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.queries import grown, rate, summed

_SPOOL = Row(
    "Spool",
    (
        Panel(
            "Records per second",
            "ops",
            (Query(rate("tandem_monitor_records_total", "pod"), "{{pod}}"),),
            "One for each answer, failed and refused ones included.",
            stacked=True,
        ),
        Panel(
            "Lost",
            "short",
            (Query(grown("tandem_monitor_dropped_total", "reason"), "{{reason}}"),),
            "Records that no sink gets. Nothing here is the rule.",
            stacked=True,
        ),
        Panel(
            "Size",
            "bytes",
            (Query(summed("tandem_monitor_spool_bytes", "pod"), "{{pod}}"),),
            "On the disk; at monitor.spool.max_bytes records are lost.",
            stacked=True,
        ),
        Panel(
            "Waiting",
            "short",
            (
                Query(summed("tandem_monitor_queue_records", "pod"), "in memory {{pod}}"),
                Query(summed("tandem_monitor_spool_records", "pod"), "on the disk {{pod}}"),
            ),
            "Records that some sink has not got.",
        ),
        Panel(
            "Age of the oldest",
            "s",
            (Query(summed("tandem_monitor_spool_oldest_seconds", "pod", how="max"), "{{pod}}"),),
            "Of the records that some sink has not got.",
        ),
        Panel(
            "Disk takes records",
            "short",
            (Query(summed("tandem_monitor_spool_writable", how="min"), "writable"),),
            "0: some process can not write, and loses records.",
            most=1,
        ),
        Panel(
            "Put aside",
            "short",
            (
                Query(grown("tandem_monitor_damaged_total", "reason"), "damaged: {{reason}}"),
                Query(grown("tandem_monitor_refused_total", "sink"), "refused by {{sink}}"),
            ),
            "Damaged pieces of the spool, and records that a sink will never take.",
            stacked=True,
        ),
    ),
)

_SINKS = Row(
    "Sinks",
    (
        Panel(
            "Shipped per second",
            "ops",
            (Query(rate("tandem_monitor_shipped_total", "sink"), "{{sink}}"),),
            "Each sink gets every record.",
        ),
        Panel(
            "Lag",
            "s",
            (Query(summed("tandem_monitor_lag_seconds", "sink", how="max"), "{{sink}}"),),
            "Age of the oldest record that the sink has not got.",
        ),
        Panel(
            "Records behind",
            "short",
            (Query(summed("tandem_monitor_lag_records", "sink"), "{{sink}}"),),
            "Records that the sink has not got.",
        ),
        Panel(
            "Failed attempts",
            "ops",
            (Query(rate("tandem_monitor_ship_failures_total", "sink", "reason"), "{{sink}}: {{reason}}"),),
            "They are made again, later each time.",
            stacked=True,
        ),
    ),
)

_PRIVACY = Row(
    "Privacy and telemetry",
    (
        Panel(
            "Taken out of texts",
            "short",
            (Query(grown("tandem_redactions_total", "kind"), "{{kind}}"),),
            "Before anything reaches disk or wire.",
            stacked=True,
        ),
        Panel(
            "Deleted",
            "short",
            (Query(grown("tandem_privacy_deleted_total", "where", "why"), "{{where}}: {{why}}"),),
            "For its age or at a user's wish.",
            stacked=True,
        ),
        Panel(
            "Spans and metrics to the collector",
            "ops",
            (
                Query(rate("tandem_telemetry_sent_total", "signal"), "sent: {{signal}}"),
                Query(rate("tandem_telemetry_lost_total", "signal", "reason"), "lost: {{signal}}, {{reason}}"),
                Query(rate("tandem_telemetry_failures_total", "signal"), "failed attempts: {{signal}}"),
            ),
            "Of requests that are no answers; an answer's spans come with its record.",
        ),
        Panel(
            "Spans that wait",
            "short",
            (Query(summed("tandem_telemetry_waiting", "pod"), "{{pod}}"),),
            "To be sent to the collector.",
        ),
    ),
)

BOARD = Dashboard(
    "tandem-monitor",
    "Tandem: prompt monitoring",
    "Whether every answer's record is kept and gets where it should.",
    (_SPOOL, _SINKS, _PRIVACY),
)
