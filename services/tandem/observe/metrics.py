"""Every metric's name, in one place. Labels come from routes, codes and configuration, never from request bodies."""

import math
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

_FIRST_TOKEN_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ROUND_S = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)
_FRESHNESS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
_DURATION_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

# Read from the pools when they are asked for, each labelled with its pool.
POOL_GAUGES = {
    "tandem_generation_demand": "Generations that want this pool: running, waiting, held, or passed on for want of room.",
    "tandem_pool_limit": "Requests that may run at a time; follows the measured latency.",
    "tandem_pool_running": "Requests that hold a slot.",
    "tandem_pool_waiting": "Requests that wait for a slot.",
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

M = TypeVar("M", Counter, Histogram)


class Metrics:
    """The counters of one process, in a registry of their own. Its methods are what the HTTP surface reports to."""

    def __init__(self, version: str, target: str) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[object, ...], Any] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        Gauge("tandem_build_info", "1, labelled with what runs.", ["version", "target"], registry=self.registry).labels(
            version, target
        ).set(1)
        self._requests = self._counter("tandem_requests", "Requests that arrived, counted before admission.", "route")
        self._responses = self._counter("tandem_responses", "Requests that ended, by outcome.", "route", "status")
        self._seconds = self._histogram(
            "tandem_request_seconds", "From arrival to the last byte.", _DURATION_S, "route"
        )
        self._client_closed = self._counter(
            "tandem_client_closed", "Requests whose client left before the end, by how far they had come.", "stage"
        )
        self._in_flight = Gauge("tandem_requests_in_flight", "Requests being served.", registry=self.registry)
        self._first_token = self._histogram(
            "tandem_time_to_first_token_seconds", "From arrival to the first text of an answer.", _FIRST_TOKEN_S
        )
        self._answers = self._counter("tandem_answers", "Answers by outcome.", "outcome")
        self.pool_wait_seconds = self._histogram(
            "tandem_pool_wait_seconds", "Waiting for a slot at a predictor pool.", _DURATION_S, "pool"
        )
        self.pool_requests = self._counter(
            "tandem_pool_requests", "Requests that got a slot, by pool and by why it was that pool.", "pool", "reason"
        )
        self.pool_refusals = self._counter(
            "tandem_pool_refusals",
            "Requests that got no slot at a pool, since it was full, down, or its cap spent.",
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
        self.generation_first_token = self._histogram(
            "tandem_generation_first_token_seconds", "From asking the model to its first token.", _FIRST_TOKEN_S
        )
        self.generation_seconds = self._histogram(
            "tandem_generation_seconds", "From asking the model to the end.", _DURATION_S
        )
        self.generation_tokens = self._counter("tandem_generation_tokens", "Tokens by the model's count.", "kind")
        self.generation_failures = self._counter("tandem_generation_failures", "Generations that failed.", "code")
        self.retrieval_seconds = self._histogram("tandem_retrieval_seconds", "One retrieval.", _DURATION_S)
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

    def keys_file(self, *, good: bool) -> None:
        """The file of keys is in force as it stands, or it is broken."""
        self._keys_file_good.set(good)

    def identity_provider(self, *, up: bool) -> None:
        """Its keys could be fetched, or not."""
        self._identity_provider_up.set(up)

    def quota_store(self, *, up: bool) -> None:
        """What counts the quotas answers, or it does not."""
        self._quota_store_up.set(up)

    def decided_without_store(self) -> None:
        """A quota was decided on although the shared store did not answer."""
        self._quota_alone.inc()

    def quota_refused(self, quota: str) -> None:
        """A request was over its tenant's `quota`: requests, tokens or concurrency."""
        self._quota_refusals.labels(quota).inc()

    def arrived(self, route: str) -> None:
        """A request came in: before identity, limits and admission, since this rate drives autoscaling."""
        self._child(self._requests, route).inc()
        self._in_flight.inc()

    def ended(self, route: str, status: int, duration_s: float) -> None:
        """It is over; `status` is the outcome, which differs from the sent status when a stream broke off."""
        self._in_flight.dec()
        self._child(self._responses, route, str(status)).inc()
        self._child(self._seconds, route).observe(duration_s)

    def cache_looked_up(self, cache: str, result: str) -> None:
        """Something kept was looked for: hit, miss or bypass."""
        self._child(self._cache_lookups, cache, result).inc()

    def client_closed(self, stage: str) -> None:
        """A client left before it had its answer."""
        self._client_closed.labels(stage).inc()

    def first_token(self, since_arrival_s: float) -> None:
        """The first text of an answer left."""
        self._first_token.observe(since_arrival_s)

    def answered(self, outcome: str) -> None:
        """An answer was given whole."""
        self._answers.labels(outcome).inc()

    def _child(self, family: M, *labels: str) -> M:
        """The metric of these labels: looked up here, which takes a third of the time that `labels` does."""
        known: M | None = self._children.get((family, *labels))
        if known is None:
            known = self._children[family, *labels] = family.labels(*labels)
        return known

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)
