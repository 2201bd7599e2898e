"""What is asked, what is answered, and whether the objectives hold."""

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.queries import FRONTS, INTERVAL, NAMESPACE, of, quantile, quantiles, rate, summed

_V1 = 'route=~"/v1/.*"'
_GOOD = (("red", None), ("orange", 0.995), ("green", 0.999))
_MOSTLY = (("red", None), ("orange", 0.9), ("green", 0.95))
_BUDGET = (("red", None), ("orange", 0.1), ("green", 0.5))


def _share(part: str, whole: str, window: str = "$__range") -> str:
    return (
        f"sum(avg_over_time(namespace:{part}:rate5m{{{NAMESPACE}}}[{window}]))"
        f" / sum(avg_over_time(namespace:{whole}:rate5m{{{NAMESPACE}}}[{window}]))"
    )


def _burn(part: str, whole: str, allowed: str) -> str:
    return f"sum(namespace:{part}:rate5m{{{NAMESPACE}}}) / sum(namespace:{whole}:rate5m{{{NAMESPACE}}}) / {allowed}"


_OBJECTIVES = Row(
    "Objectives",
    (
        Panel(
            "Availability",
            "percentunit",
            (Query(f"1 - {_share('tandem_faults', 'tandem_responses')}"),),
            "Requests to /v1 that did not end with a 5xx status, over the range shown. Objective: 99.9 %.",
            kind="stat",
            width=4,
            height=5,
            decimals=3,
            steps=_GOOD,
        ),
        Panel(
            "First text within 2.5 s",
            "percentunit",
            (Query(f"1 - {_share('tandem_late_first_tokens', 'tandem_first_tokens')}"),),
            "Streamed answers over the range shown. Objective: 95 %.",
            kind="stat",
            width=4,
            height=5,
            decimals=2,
            steps=_MOSTLY,
        ),
        Panel(
            "Found within 5 min",
            "percentunit",
            (Query(f"1 - {_share('tandem_stale_documents', 'tandem_documents')}"),),
            "Documents, from the event that told of them, over the range shown. Objective: 95 %.",
            kind="stat",
            width=4,
            height=5,
            decimals=2,
            steps=_MOSTLY,
        ),
        Panel(
            "Error budget left",
            "percentunit",
            (Query(f"1 - {_share('tandem_faults', 'tandem_responses', '30d')} / 0.001"),),
            "Of 30 days' availability. Below nothing: what can wait waits until it has recovered.",
            kind="stat",
            width=4,
            height=5,
            decimals=1,
            steps=_BUDGET,
        ),
        Panel(
            "Requests in flight",
            "short",
            (Query(f"sum({of('tandem_requests_in_flight')} * on (namespace, pod) group_left () {FRONTS})"),),
            "At the gateways.",
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Gateways",
            "short",
            (Query(f"count({FRONTS})"),),
            "Processes that are scraped.",
            kind="stat",
            width=4,
            height=5,
            steps=(("red", None), ("orange", 1), ("green", 2)),
        ),
        Panel(
            "Error budget burn",
            "short",
            (
                Query(_burn("tandem_faults", "tandem_responses", "0.001"), "availability"),
                Query(_burn("tandem_late_first_tokens", "tandem_first_tokens", "0.05"), "first text"),
                Query(_burn("tandem_stale_documents", "tandem_documents", "0.05"), "freshness"),
            ),
            "How many times faster than allowed the budget is used: 1 uses it up in exactly 30 days; 14.4 raises the alarm.",
            width=24,
            height=7,
        ),
    ),
)

_TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            "Requests per second by route",
            "reqps",
            (Query(rate("tandem_requests_total", "route", where=_V1, fronts=True), "{{route}}"),),
            "Counted before admission; this rate is what the gateways scale on.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Responses per second by status",
            "reqps",
            (Query(rate("tandem_responses_total", "status", where=_V1, fronts=True), "{{status}}"),),
            "499: the client left.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Requests per second and gateway",
            "reqps",
            (Query(rate("tandem_requests_total", "pod", where=_V1, fronts=True), "{{pod}}"),),
            "An even spread is what load balancing and scaling should give.",
        ),
        Panel(
            "Time to first text",
            "s",
            quantiles("tandem_time_to_first_token_seconds"),
            "From arrival to the first text of a streamed answer.",
        ),
        Panel(
            "Duration of requests",
            "s",
            (Query(quantile(0.95, "tandem_request_seconds", "route", where=_V1, fronts=True), "p95 {{route}}", True),),
            "From arrival to the last byte: for streams the whole answer.",
        ),
        Panel(
            "Answers by outcome",
            "reqps",
            (Query(rate("tandem_answers_total", "outcome"), "{{outcome}}"),),
            "Abstentions among them.",
            stacked=True,
        ),
        Panel(
            "Clients that left",
            "reqps",
            (Query(rate("tandem_client_closed_total", "stage"), "{{stage}}"),),
            "By how far their request had come.",
            stacked=True,
        ),
        Panel(
            "Refused for quota",
            "reqps",
            (Query(rate("tandem_quota_refusals_total", "quota"), "{{quota}}"),),
            "Requests over a tenant's own quota.",
            stacked=True,
        ),
    ),
)

_TARGET = f"max by (namespace, pod, target) (tandem_build_info{{{NAMESPACE}}})"

_PROCESSES = Row(
    "Processes",
    (
        Panel(
            "CPU",
            "short",
            (
                Query(
                    f"rate({of('process_cpu_seconds_total')}{INTERVAL})"
                    f" * on (namespace, pod) group_left (target) {_TARGET}",
                    "{{target}} {{pod}}",
                ),
            ),
            "Cores.",
        ),
        Panel(
            "Memory",
            "bytes",
            (
                Query(
                    f"{of('process_resident_memory_bytes')} * on (namespace, pod) group_left (target) {_TARGET}",
                    "{{target}} {{pod}}",
                ),
            ),
            "Resident.",
        ),
        Panel(
            "Connections",
            "short",
            (
                Query(summed("tandem_connections", "pod"), "open {{pod}}"),
                Query(rate("tandem_connections_closed_total", "reason"), "ended per second: {{reason}}"),
            ),
            "Open ones, and those that Tandem ended.",
        ),
        Panel(
            "Log lines left out",
            "ops",
            (Query(rate("tandem_log_lines_left_out_total", "reason"), "{{reason}}"),),
            "By share or rate of the access log, or since whoever reads them is stuck.",
            height=7,
        ),
        Panel(
            "Quota store, identity provider, keys file",
            "short",
            (
                Query(summed("tandem_quota_store_up", how="min"), "quota store"),
                Query(summed("tandem_auth_identity_provider_up", how="min"), "identity provider"),
                Query(summed("tandem_auth_keys_file_good", how="min"), "keys file"),
            ),
            "1: well. They stand at 1 where they are not in use.",
            height=7,
        ),
        Panel(
            "Quota decisions without the store",
            "reqps",
            (Query(rate("tandem_quota_decisions_without_store_total"), "decisions"),),
            "Each gateway gives away its own share meanwhile, or nothing, as quotas.on_store_loss says.",
            height=7,
        ),
    ),
)

BOARD = Dashboard(
    "tandem-overview",
    "Tandem: overview",
    "How many ask, what they get, and whether the objectives hold.",
    (_OBJECTIVES, _TRAFFIC, _PROCESSES),
)
