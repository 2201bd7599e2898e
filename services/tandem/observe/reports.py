"""What the parts of a process report, and which of its metrics that counts in."""

from typing import Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from tandem.domain.generation import Usage
from tandem.domain.steps import here
from tandem.observe.tenants import Tenants

M = TypeVar("M", Counter, Histogram)


class Reports:
    """The methods of `Metrics`, which makes the families that they count in."""

    _answers: Counter
    _cache_lookups: Counter
    _client_closed: Counter
    _first_token: Histogram
    _identity_provider_up: Gauge
    _in_flight: Gauge
    _keys_file_good: Gauge
    _lines_left_out: Counter
    _quota_alone: Counter
    _quota_refusals: Counter
    _quota_store_up: Gauge
    _requests: Counter
    _responses: Counter
    _seconds: Histogram
    _tenant_cost: Counter
    _tenant_requests: Counter
    _tenant_tokens: Counter

    def __init__(self, tenants: Tenants, *, follows: bool) -> None:
        self.tenants = tenants
        self._follows = follows
        self._children: dict[tuple[object, ...], Any] = {}

    def example(self) -> dict[str, str] | None:
        """What a histogram shows beside a value that is measured now: the running trace, where that is kept in any case."""
        place = here() if self._follows else None
        return None if place is None else exemplar(place.work.example)

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
        self.child(self._requests, route).inc()
        self._in_flight.inc()

    def ended(self, route: str, status: int, duration_s: float, tenant: str | None, example: str | None) -> None:
        """It is over; `status` is the outcome, which differs from the sent status when a stream broke off.

        `tenant` is whose it was, None for probes and for strangers; `example` is the id of its trace, where that is kept.
        """
        self._in_flight.dec()
        self.child(self._responses, route, str(status)).inc()
        self.child(self._seconds, route).observe(duration_s, exemplar(example))
        if tenant is not None:
            self.child(self._tenant_requests, self.tenants.label(tenant), _outcome(status)).inc()

    def spent(self, tenant: str, usage: Usage, cost: float) -> None:
        """A request of the tenant took so many tokens of a pool's models."""
        label = self.tenants.label(tenant)
        self.child(self._tenant_tokens, label, "prompt").inc(usage.prompt_tokens)
        self.child(self._tenant_tokens, label, "completion").inc(usage.completion_tokens)
        self.child(self._tenant_cost, label).inc(cost)

    def line_left_out(self, reason: str, lines: int = 1) -> None:
        """Log lines were not written: share, rate or full."""
        self._lines_left_out.labels(reason).inc(lines)

    def cache_looked_up(self, cache: str, result: str) -> None:
        """Something kept was looked for: hit, miss or bypass."""
        self.child(self._cache_lookups, cache, result).inc()

    def client_closed(self, stage: str) -> None:
        """A client left before it had its answer."""
        self._client_closed.labels(stage).inc()

    def first_token(self, since_arrival_s: float, example: str | None = None) -> None:
        """The first text of an answer left; `example` is the id of its trace, where that is kept."""
        self._first_token.observe(since_arrival_s, exemplar(example))

    def answered(self, outcome: str) -> None:
        """An answer was given whole."""
        self._answers.labels(outcome).inc()

    def child(self, family: M, *labels: str) -> M:
        """The metric of these labels: looked up here, which takes a third of the time that `labels` does."""
        known: M | None = self._children.get((family, *labels))
        if known is None:
            known = self._children[family, *labels] = family.labels(*labels)
        return known


def exemplar(trace_id: str | None) -> dict[str, str] | None:
    """What a histogram shows beside a measured value: the trace that it is an example of, where that is kept."""
    return None if trace_id is None else {"trace_id": trace_id}


def _outcome(status: int) -> str:
    if status < 400:
        return "ok"
    if status < 500:
        return {429: "limited", 499: "client_closed"}.get(status, "refused")
    return "failed"
