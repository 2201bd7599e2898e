"""Who uses how much, and what it costs."""

from dashboards.panels import Dashboard, Panel, Query, Row, Variable
from dashboards.queries import grown, of, rate, summed

_TENANT = 'tenant=~"$tenant"'
_FAILED = f'{_TENANT}, outcome="failed"'

_TENANTS = Row(
    "Tenants",
    (
        Panel(
            "Requests per second",
            "reqps",
            (Query(rate("tandem_tenant_requests_total", "tenant", where=_TENANT), "{{tenant}}"),),
            "other: tenants without series of their own.",
            stacked=True,
        ),
        Panel(
            "Requests by outcome",
            "reqps",
            (Query(rate("tandem_tenant_requests_total", "outcome", where=_TENANT), "{{outcome}}"),),
            "limited: over a quota or for want of room; refused: by a policy or a key's rights.",
            stacked=True,
        ),
        Panel(
            "Failed",
            "percentunit",
            (
                Query(
                    f"{rate('tandem_tenant_requests_total', 'tenant', where=_FAILED)}"
                    f" / {rate('tandem_tenant_requests_total', 'tenant', where=_TENANT)}",
                    "{{tenant}}",
                ),
            ),
            "Of the tenant's own requests.",
            most=1,
        ),
        Panel(
            "Tokens per second",
            "short",
            (Query(rate("tandem_tenant_tokens_total", "tenant", "kind", where=_TENANT), "{{tenant}} {{kind}}"),),
            "Of prompts and answers, those of answers that broke off included.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Cost",
            "short",
            (Query(grown("tandem_tenant_cost_total", "tenant", where=_TENANT), "{{tenant}}"),),
            "In the currency of the configured prices, for each interval of the graph.",
            width=12,
            stacked=True,
        ),
    ),
)

_POOLS = Row(
    "Pools and judge",
    (
        Panel(
            "Tokens today",
            "short",
            (Query(summed("tandem_pool_tokens_today", "pool"), "{{pool}}"),),
            "Since midnight UTC; running requests at their most.",
            stacked=True,
        ),
        Panel(
            "Cost today",
            "short",
            (Query(summed("tandem_pool_cost_today", "pool"), "{{pool}}"),),
            "In the currency of the configured prices.",
            stacked=True,
        ),
        Panel(
            "Cost of judging",
            "short",
            (Query(grown("tandem_judge_cost_total"), "cost"), Query(grown("tandem_judge_tokens_total"), "tokens")),
            "What the model that judges a share of the answers took.",
        ),
    ),
)

BOARD = Dashboard(
    "tandem-tenants",
    "Tandem: tenants and cost",
    "Who uses how much, and what it costs.",
    (_TENANTS, _POOLS),
    (Variable("tenant", "Tenant", of("tandem_tenant_requests_total")),),
)
