"""Pools of predictors: what is wanted of them, what they let in, how their models answer."""

from dashboards.panels import Dashboard, Panel, Query, Row, Variable
from dashboards.queries import mean, of, quantile, quantiles, rate, summed

_POOL = 'pool=~"$pool"'
_MODEL = "gen_ai_request_model"


def _gauge(name: str, *more: str) -> str:
    return summed(f"tandem_pool_{name}", "pool", *more, where=_POOL)


_POOLS = Row(
    "Pools",
    (
        Panel(
            "Demand and limit",
            "short",
            (
                Query(summed("tandem_generation_demand", "pool", where=_POOL), "demand {{pool}}"),
                Query(_gauge("limit"), "limit {{pool}}"),
            ),
            "Demand is what the predictor scales on; the limit follows the measured latency.",
            width=12,
        ),
        Panel(
            "Running, waiting, held",
            "short",
            (
                Query(_gauge("running"), "running {{pool}}"),
                Query(_gauge("waiting"), "waiting {{pool}}"),
                Query(_gauge("held"), "held {{pool}}"),
            ),
            "Held: until a server of a sleeping pool is up.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Use of the limit",
            "percentunit",
            (Query(f"{_gauge('running')} / {_gauge('limit')}", "{{pool}}"),),
            "At 100 % requests wait; see also the alert TandemPoolExhausted.",
            most=1,
        ),
        Panel(
            "Wait for a slot",
            "s",
            (Query(quantile(0.95, "tandem_pool_wait_seconds", "pool", where=_POOL), "p95 {{pool}}", True),),
            "Of those that got one.",
        ),
        Panel(
            "Servers by breaker",
            "short",
            (Query(_gauge("endpoints", "breaker"), "{{pool}}: {{breaker}}"),),
            "Summed over gateways, each of which has breakers of its own.",
            stacked=True,
        ),
        Panel(
            "Requests by pool and reason",
            "reqps",
            (Query(rate("tandem_pool_requests_total", "pool", "reason", where=_POOL), "{{pool}}: {{reason}}"),),
            "Why it was that pool: docs/pools.md lists the reasons.",
            stacked=True,
        ),
        Panel(
            "Refusals by pool",
            "reqps",
            (
                Query(rate("tandem_pool_refusals_total", "pool", "reason", where=_POOL), "{{pool}}: {{reason}}"),
                Query(rate("tandem_residency_refusals_total"), "residency"),
            ),
            "Requests that got no slot there; they may have got one at the next pool.",
            stacked=True,
        ),
        Panel(
            "Retries",
            "reqps",
            (Query(rate("tandem_generation_retries_total", "pool", "reason", where=_POOL), "{{pool}}: {{reason}}"),),
            "refused: by the budget or for want of time.",
            stacked=True,
        ),
    ),
)

_GENERATION = Row(
    "Generation",
    (
        Panel(
            "First token from the model",
            "s",
            quantiles("tandem_generation_first_token_seconds"),
            "From asking the model.",
        ),
        Panel("Between two tokens", "s", quantiles("tandem_inter_token_seconds"), "The mean of each answer."),
        Panel("Duration", "s", quantiles("tandem_generation_seconds"), "From asking the model to the end."),
        Panel(
            "Tokens per second",
            "short",
            (Query(rate("tandem_generation_tokens_total", "kind"), "{{kind}}"),),
            "By the model's own count.",
            stacked=True,
        ),
        Panel(
            "Failures",
            "reqps",
            (Query(rate("tandem_generation_failures_total", "code"), "{{code}}"),),
            "By the error's code.",
            stacked=True,
        ),
    ),
)

_MODELS = Row(
    "Models",
    (
        Panel(
            "Calls per second",
            "reqps",
            (
                Query(
                    rate("gen_ai_client_operation_duration_seconds_count", _MODEL, "error_type"),
                    f"{{{{{_MODEL}}}}} {{{{error_type}}}}",
                ),
            ),
            "By the name that is asked for; OpenTelemetry's names, as every backend knows them.",
            stacked=True,
        ),
        Panel(
            "Duration of a call",
            "s",
            (Query(quantile(0.95, "gen_ai_client_operation_duration_seconds", _MODEL), f"p95 {{{{{_MODEL}}}}}"),),
            "As its client, from asking to the end.",
        ),
        Panel(
            "Tokens of a call",
            "short",
            (
                Query(
                    mean("gen_ai_client_token_usage", _MODEL, "gen_ai_token_type"),
                    f"{{{{{_MODEL}}}}} {{{{gen_ai_token_type}}}}",
                ),
            ),
            "On average, by the model's own count.",
        ),
    ),
)

_ENGINES = Row(
    "Engines",
    (
        Panel(
            "TGI: queue and batch",
            "short",
            (
                Query(summed("tgi_queue_size", "pod"), "queue {{pod}}"),
                Query(summed("tgi_batch_current_size", "pod"), "batch {{pod}}"),
            ),
            "The gateways' admission should keep the queue near zero.",
        ),
        Panel(
            "TGI: queue time and inference",
            "s",
            (
                Query(quantile(0.95, "tgi_request_queue_duration"), "queue p95"),
                Query(quantile(0.95, "tgi_request_inference_duration"), "inference p95"),
            ),
            "Measured by the engine.",
        ),
        Panel(
            "vLLM: queue, batch, cache",
            "short",
            (
                Query(summed("vllm:num_requests_waiting", "pod"), "waiting {{pod}}"),
                Query(summed("vllm:num_requests_running", "pod"), "running {{pod}}"),
                Query(summed("vllm:kv_cache_usage_perc", "pod", how="max"), "KV cache (1 is full) {{pod}}"),
            ),
            "Empty unless the engine is vLLM.",
        ),
    ),
)

BOARD = Dashboard(
    "tandem-predictor",
    "Tandem: predictor and pools",
    "What is wanted of the models, what is let in, and how they answer.",
    (_POOLS, _GENERATION, _MODELS, _ENGINES),
    (Variable("pool", "Pool", of("tandem_pool_limit")),),
)
