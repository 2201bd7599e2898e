"""Who uses how much, and what it costs."""

from dashboards.panels import Dashboard, Panel, Query, Row
from dashboards.queries import rate, summed

_COST = Row(
    "Cost",
    (
        Panel(
            "Tokens today",
            "short",
            (Query(summed("tandem_pool_tokens_today", "pool"), "{{pool}}"),),
            "Since midnight UTC; running requests at their most.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Cost today",
            "short",
            (Query(summed("tandem_pool_cost_today", "pool"), "{{pool}}"),),
            "In the currency of the configured prices.",
            width=12,
            stacked=True,
        ),
    ),
)

_LIMITS = Row(
    "Limits",
    (
        Panel(
            "Refused for quota",
            "reqps",
            (Query(rate("tandem_quota_refusals_total", "quota"), "{{quota}}"),),
            "Requests over a tenant's own quota.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Refused for residency",
            "reqps",
            (Query(rate("tandem_residency_refusals_total"), "requests"),),
            "A policy left no pool for them.",
            width=12,
        ),
    ),
)

BOARD = Dashboard(
    "tandem-tenants", "Tandem: tenants and cost", "Who uses how much, and what it costs.", (_COST, _LIMITS)
)
