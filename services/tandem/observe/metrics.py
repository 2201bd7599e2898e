"""Every metric's name, in one place. Labels come from routes, codes, configuration and what admins released, never from what
people ask.
"""

import math

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from tandem.observe.reports import Reports
from tandem.observe.tenants import NO_TENANTS, Tenants

_FIRST_TOKEN_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_GAP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_RELEVANCE = (0.01, 0.02, 0.05, 0.09, 0.15, 0.25, 0.4, 0.6, 0.8, 0.9, 1.0)
_ROUND_S = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)
_FRESHNESS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
_DURATION_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

# As OpenTelemetry's conventions for generative AI want them, labels and buckets.
_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")
_GEN_AI_S = tuple(0.01 * 2**power for power in range(14))
_GEN_AI_FIRST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_GEN_AI_TOKENS = tuple(float(4**power) for power in range(14))

# Read from the pools when they are asked for, each labelled with its pool.
POOL_GAUGES = {
    "tandem_generation_demand": "Generations that want this pool: running, waiting, held, or passed on for want of room.",
    "tandem_pool_limit": "Requests that may run at a time; follows the measured latency.",
    "tandem_pool_running": "Requests that hold a slot.",
    "tandem_pool_background": "Slots held in the background, to be given back to whoever waits; running has them, too.",
    "tandem_pool_waiting": "Requests that wait for a slot, but for those in the background.",
    "tandem_pool_held": "Requests held until a server of the pool is up.",
    "tandem_pool_endpoints": "Servers of the pool, by the state of their breaker.",
    "tandem_pool_tokens_today": "Tokens since midnight UTC, running requests at their most.",
    "tandem_pool_cost_today": "Cost since midnight UTC, in the currency of the configured prices.",
}

# Read from the server's own counts when they are asked for.
CONNECTION_METRICS = {
    "tandem_connections": "Connections that clients hold.",
    "tandem_connections_closed": "Connections that Tandem ended and the client would have kept, by reason.",
}

# The spool of prompt monitoring, read from it when it is asked for; of a process that keeps records.
SPOOL_GAUGES = {
    "tandem_monitor_queue_records": "Records of answers that wait in memory for the disk.",
    "tandem_monitor_spool_records": "Records on the disk that some sink has not got.",
    "tandem_monitor_spool_bytes": "Size of the spool on the disk.",
    "tandem_monitor_spool_oldest_seconds": "Age of the oldest record that some sink has not got.",
    "tandem_monitor_spool_writable": "0 while the disk takes no records.",
}
SINK_GAUGES = {
    "tandem_monitor_lag_records": "Records that the sink has not got.",
    "tandem_monitor_lag_seconds": "Age of the oldest record that the sink has not got.",
}


class Metrics(Reports):
    """The counters of one process, in a registry of their own; what the HTTP surface reports lies in `reports.py`.

    `tenants` are those that have series of their own. `follows`: traces are kept, so that measures may name one.
    """

    def __init__(self, version: str, target: str, tenants: Tenants = NO_TENANTS, *, follows: bool = False) -> None:
        super().__init__(tenants, follows=follows)
        # When a series began nobody asks, and it would be a series beside each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.target = target
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        Gauge("tandem_build_info", "1, labelled with what runs.", ["version", "target"], registry=self.registry).labels(
            version, target
        ).set(1)
        self._served()
        self._told()
        self._pools()
        self._generations()
        self._retrievals()
        self._documents()
        self._identities()

    def _served(self) -> None:
        self._requests = self._counter("tandem_requests", "Requests that arrived, counted before admission.", "route")
        self._responses = self._counter("tandem_responses", "Requests that ended, by outcome.", "route", "status")
        self._seconds = self._histogram(
            "tandem_request_seconds", "From arrival to the last byte.", _DURATION_S, "route"
        )
        self._client_closed = self._counter(
            "tandem_client_closed", "Requests whose client left before the end, by how far they had come.", "stage"
        )
        self._tenant_requests = self._counter(
            "tandem_tenant_requests",
            "Requests that ended, by tenant (`other`: one without series of its own) and outcome: ok, refused, limited, failed, client_closed.",
            "tenant",
            "outcome",
        )
        self._tenant_tokens = self._counter(
            "tandem_tenant_tokens",
            "Tokens of prompts and answers, those of answers that broke off included.",
            "tenant",
            "kind",
        )
        self._tenant_cost = self._counter(
            "tandem_tenant_cost", "What they cost, in the currency of the configured prices.", "tenant"
        )
        self._in_flight = Gauge("tandem_requests_in_flight", "Requests being served.", registry=self.registry)
        self._first_token = self._histogram(
            "tandem_time_to_first_token_seconds", "From arrival to the first text of an answer.", _FIRST_TOKEN_S
        )
        self._answers = self._counter("tandem_answers", "Answers by outcome.", "outcome")

    def _told(self) -> None:
        self._lines_left_out = self._counter(
            "tandem_log_lines_left_out",
            "Log lines that were not written, by share or rate of the access log, or since whoever reads them is stuck.",
            "reason",
        )
        self.telemetry_sent = self._counter(
            "tandem_telemetry_sent", "Spans and metrics that a collector took.", "signal"
        )
        self.telemetry_lost = self._counter(
            "tandem_telemetry_lost",
            "Spans and metrics that no collector got: full (no room to keep them), refused by it, or left over at the end.",
            "signal",
            "reason",
        )
        self.telemetry_failures = self._counter(
            "tandem_telemetry_failures", "Attempts to send to a collector that failed.", "signal"
        )
        self.telemetry_waiting = Gauge(
            "tandem_telemetry_waiting", "Spans that wait to be sent.", registry=self.registry
        )

    def _pools(self) -> None:
        self.pool_wait_seconds = self._histogram(
            "tandem_pool_wait_seconds", "Waiting for a slot at a predictor pool.", _DURATION_S, "pool"
        )
        self.pool_requests = self._counter(
            "tandem_pool_requests", "Requests that got a slot, by pool and by why it was that pool.", "pool", "reason"
        )
        self.pool_refusals = self._counter(
            "tandem_pool_refusals",
            "Requests that got no slot at a pool (it was full, down, or its cap spent), or had to give it back: preempted.",
            "pool",
            "reason",
        )
        self.residency_refusals = self._counter(
            "tandem_residency_refusals", "Requests for which the residency policy allowed no pool."
        )
        self.retries = self._counter(
            "tandem_generation_retries",
            "Further tries before the first token, by what came before; refused: by the budget or for want of time.",
            "pool",
            "reason",
        )

    def _generations(self) -> None:
        self.generation_first_token = self._histogram(
            "tandem_generation_first_token_seconds", "From asking the model to its first token.", _FIRST_TOKEN_S
        )
        self.generation_seconds = self._histogram(
            "tandem_generation_seconds", "From asking the model to the end.", _DURATION_S
        )
        self.generation_tokens = self._counter("tandem_generation_tokens", "Tokens by the model's count.", "kind")
        self.inter_token_seconds = self._histogram(
            "tandem_inter_token_seconds", "Between two tokens of the model, the mean of each answer.", _GAP_S
        )
        self.gen_ai_duration = self._histogram(
            "gen_ai_client_operation_duration_seconds",
            "OpenTelemetry's gen_ai.client.operation.duration: one call of a model, as its client.",
            _GEN_AI_S,
            *_GEN_AI,
            "error_type",
        )
        self.gen_ai_first_chunk = self._histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "OpenTelemetry's gen_ai.client.operation.time_to_first_chunk.",
            _GEN_AI_FIRST_S,
            *_GEN_AI,
        )
        self.gen_ai_tokens = self._histogram(
            "gen_ai_client_token_usage",
            "OpenTelemetry's gen_ai.client.token.usage: tokens of one call, by the model's count.",
            _GEN_AI_TOKENS,
            *_GEN_AI,
            "gen_ai_token_type",
        )
        self.generation_failures = self._counter("tandem_generation_failures", "Generations that failed.", "code")

    def _retrievals(self) -> None:
        self.retrieval_seconds = self._histogram("tandem_retrieval_seconds", "One retrieval.", _DURATION_S)
        self.retrieval_stage_seconds = self._histogram(
            "tandem_retrieval_stage_seconds", "One stage of a retrieval.", _DURATION_S, "stage"
        )
        self.retrieval_relevance = self._histogram(
            "tandem_retrieval_relevance",
            "Relevance of the best passage, 0 to 1, also where it was too little.",
            _RELEVANCE,
        )
        self.retrieval_passages = self._histogram(
            "tandem_retrieval_passages", "Passages that were handed on.", (0, 1, 2, 3, 5, 8, 13, 21)
        )
        self.retrieval_failures = self._counter("tandem_retrieval_failures", "Retrievals that failed.", "code")
        self.degraded = self._counter(
            "tandem_degraded", "What retrievals had to do without, in the words of `degraded`.", "what"
        )
        self.suspicious = self._counter(
            "tandem_suspicious_passages",
            "Passages that speak to the model, handed on or left out; counted where the retrieval is made.",
        )
        self._cache_lookups = self._counter(
            "tandem_cache_lookups", "Look-ups of what was kept; bypass: the request takes no part.", "cache", "result"
        )
        self.cache_bytes = Gauge("tandem_cache_bytes", "About what a cache holds.", ["cache"], registry=self.registry)
        self.answer_quality = self._histogram(
            "tandem_answer_quality",
            "Measures of answers, 0 to 1, by words alone; judge_…: by the model that judges a share of them.",
            _SHARES,
            "measure",
        )
        self.judgements = self._counter(
            "tandem_judgements",
            "Answers that were sampled for judging; unreadable, failed, over_budget and over_rate: they were left.",
            "how",
        )
        self.jobs = self._counter("tandem_jobs", "Jobs that ended, by how.", "status")
        self.jobs_put_back = self._counter(
            "tandem_jobs_put_back", "Attempts at jobs that went back into the queue, by the reason.", "reason"
        )
        self.job_wait = self._histogram(
            "tandem_job_wait_seconds", "From when a job might have begun until it did, the first time.", _ROUND_S
        )
        self.jobs_queued = Gauge(
            "tandem_jobs_queued",
            "Jobs in the store, by state: ready, later (waiting for their time), running; each process that shares it tells all.",
            ["queue", "state"],
            registry=self.registry,
        )
        self.batches_open = Gauge(
            "tandem_batches_open",
            "Batches in the store that are not over; each process that shares it tells all.",
            ["status"],
            registry=self.registry,
        )
        self.stream_questions = self._counter(
            "tandem_stream_questions",
            "Questions of a stream that are done: answered, or the code of the error.",
            "stream",
            "outcome",
        )
        self.stream_put_back = self._counter(
            "tandem_stream_put_back", "Attempts at questions of a stream that are made again.", "stream", "reason"
        )
        self.stream_seconds = self._histogram(
            "tandem_stream_seconds",
            "From when a question was written to its topic until its answer was committed.",
            _ROUND_S,
            "stream",
        )
        self.stream_open = Gauge(
            "tandem_stream_open",
            "1 while the stream is open; 0 while it is waited for.",
            ["stream"],
            registry=self.registry,
        )
        self.stream_taken = Gauge(
            "tandem_stream_taken",
            "Questions that this process has in hand, answered but not published too.",
            ["stream"],
            registry=self.registry,
        )
        self.stream_behind = Gauge(
            "tandem_stream_behind",
            "About how many records of this process's partitions have no answer yet; markers of transactions count.",
            ["stream"],
            registry=self.registry,
        )
        self.judge_tokens = self._counter("tandem_judge_tokens", "Tokens that judging took.")
        self.judge_cost = self._counter("tandem_judge_cost", "What it cost, in the currency of the configured prices.")
        self.question_drift = Gauge(
            "tandem_question_drift",
            "Cosine distance between the questions of the last day and of the week before; NaN while there are too few.",
            registry=self.registry,
        )
        self.question_drift.set(math.nan)
        self.question_drift_questions = Gauge(
            "tandem_question_drift_questions",
            "Questions that it is taken from, by window: recent, before.",
            ["window"],
            registry=self.registry,
        )

    def _documents(self) -> None:
        self.documents = self._counter("tandem_documents", "Documents put, by what became of them.", "status")
        self.ingest_freshness = self._histogram(
            "tandem_ingest_freshness_seconds",
            "From the event that told of a document, or else its arrival, until it could be found.",
            _FRESHNESS_S,
        )
        self.sync_rounds = self._counter(
            "tandem_sync_rounds",
            "Rounds over a source of `ingestion.sources`; partial: documents failed, interrupted: the workers changed.",
            "source",
            "outcome",
        )
        self.sync_seconds = self._histogram("tandem_sync_seconds", "One such round.", _ROUND_S, "source")
        self.sync_last = Gauge(
            "tandem_sync_last_success_timestamp_seconds",
            "When a round over the source last came to its end, in seconds since 1970.",
            ["source"],
            registry=self.registry,
        )
        self.promotions = self._counter(
            "tandem_collection_promotions",
            "Promotions by how they ended: promoted, forced, rolled_back, or the code of the error.",
            "outcome",
        )
        self.version = Gauge(
            "tandem_collection_version",
            "Number of the version that serves, of configured collections.",
            ["collection"],
            registry=self.registry,
        )
        self.version_promoted = Gauge(
            "tandem_collection_promoted_timestamp_seconds",
            "When the version that serves was promoted, in seconds since 1970; 0 where that was not noted.",
            ["collection"],
            registry=self.registry,
        )

    def _identities(self) -> None:
        # These stand at 1 where they are not in use either, so that an alert on 0 means something.
        self._quota_store_up = Gauge(
            "tandem_quota_store_up", "0 while the store that counts the quotas is lost.", registry=self.registry
        )
        self._quota_store_up.set(1)
        self._quota_alone = self._counter(
            "tandem_quota_decisions_without_store", "Quota decisions made while the shared store did not answer."
        )
        self._keys_file_good = Gauge(
            "tandem_auth_keys_file_good",
            "0 while auth.keys_file is broken, and the keys before it count.",
            registry=self.registry,
        )
        self._keys_file_good.set(1)
        self._identity_provider_up = Gauge(
            "tandem_auth_identity_provider_up",
            "0 when its keys could not be fetched at the last attempt.",
            registry=self.registry,
        )
        self._identity_provider_up.set(1)
        self._quota_refusals = self._counter("tandem_quota_refusals", "Requests over a tenant's quota.", "quota")

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)


class RecordCounters:
    """What became of records of answers, in the registry of a process that keeps them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.written = Counter("tandem_monitor_records", "Records of answers written to the spool.", registry=registry)
        self.dropped = Counter(
            "tandem_monitor_dropped",
            "Records that no sink gets: queue_full, spool_full, disk_full, disk_error, unencodable, too_large, shutdown.",
            ["reason"],
            registry=registry,
        )
        self.damaged = Counter(
            "tandem_monitor_damaged",
            "Pieces of the spool that were put aside: cut at the end of a killed process, damaged, or unknown.",
            ["reason"],
            registry=registry,
        )
        self.shipped = Counter("tandem_monitor_shipped", "Records that a sink has got.", ["sink"], registry=registry)
        self.ship_failures = Counter(
            "tandem_monitor_ship_failures",
            "Attempts that a sink failed, by the code of the error.",
            ["sink", "reason"],
            registry=registry,
        )
        self.refused = Counter(
            "tandem_monitor_refused",
            "Records that a sink will never take, which were put aside.",
            ["sink"],
            registry=registry,
        )


class ReleaseCounters:
    """How releases are tried, in the registry of a process that answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.weight = Gauge(
            "tandem_release_weight",
            "Share of the conversations that a release is tried with; 0 while none is.",
            registry=registry,
        )
        self.info = Gauge(
            "tandem_release_info",
            "1, labelled with a release of now and its state: serving, or how it is tried (canary, shadow, promoting).",
            ["release", "state"],
            registry=registry,
        )
        self.decisions = Counter(
            "tandem_release_decisions",
            "Releases that this process ended by their policy: promote or roll_back.",
            ["decision"],
            registry=registry,
        )
        self.shadows = Counter(
            "tandem_release_shadows",
            "Questions for a release in shadow: answered, failed, or left out for no_room.",
            ["result"],
            registry=registry,
        )


class PrivacyCounters:
    """What was taken out of texts and what was deleted, in the registry of a process that keeps answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.redacted = Counter(
            "tandem_redactions", "Things taken out of kept texts, by kind.", ["kind"], registry=registry
        )
        self.deleted = Counter(
            "tandem_privacy_deleted",
            "What was deleted (receipts, feedback, parquet, spool) for its age or at a user's wish.",
            ["where", "why"],
            registry=registry,
        )
        self.rated = Counter(
            "tandem_feedback",
            "Opinions of answers: up, down or neutral; of one person and answer only the first is counted.",
            ["rating"],
            registry=registry,
        )
