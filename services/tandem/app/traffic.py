"""Settings of the traffic between the tiers: who may ask how much, which pools answer, how many at a time."""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from tandem.app.group import Group
from tandem.domain.tenants import Priority, Tenant, Tenants

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")]
Region = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")]


class TenantPolicy(Group):
    """What one tenant may use."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    """Requests that do work; unset: no limit."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Prompt and answer tokens, and texts to embed: reserved before, settled after the answer; unset: no limit."""
    concurrency: int | None = Field(default=None, ge=1)
    """Requests at the same time, over all replicas; unset: no limit."""
    priority: Literal["low", "normal", "high"] = "normal"
    """Band in the queue for a predictor."""
    weight: float = Field(default=1.0, gt=0, le=1000)
    """Share among the tenants of its band."""
    regions: frozenset[Region] | None = None
    """Residency: only pools of these regions may see its prompts; unset: any configured pool."""
    capture_content: bool | None = None
    """Keep the texts of its answers; unset: no, unless OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says so."""
    retention_days: float | None = Field(default=None, gt=0)
    """How long what is kept of its answers stays; unset: as `privacy.retention_days` says."""

    def tenant(self, name: str) -> Tenant:
        """The domain's tenant."""
        return Tenant(
            name,
            Priority[self.priority],
            self.weight,
            self.requests_per_minute,
            self.tokens_per_minute,
            self.concurrency,
            self.regions,
        )


class VersionGate(Group):
    """What a version of a collection must pass before it is promoted."""

    golden: Path | None = None
    """Questions whose documents must be found: a golden.jsonl or a folder in BEIR's layout, on the machine that holds the store."""
    metric: Literal["recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10"] = "recall@10"
    """What the questions are graded by."""
    min_measure: float = Field(default=0.0, ge=0, le=1)
    """Least value of the metric."""
    max_drop: float = Field(default=0.02, ge=0, le=1)
    """How much less it may be than the serving version's."""
    min_documents: float = Field(default=0.9, ge=0, le=1)
    """Share of each tenant's documents that must still be there."""


class CollectionPolicy(Group):
    """What holds for one collection."""

    regions: frozenset[Region] | None = None
    """Residency: only pools of these regions may see its passages; unset: any configured pool."""
    gate: VersionGate = VersionGate()
    """What a version must pass before it is promoted."""
    keep_versions: int = Field(default=2, ge=0, le=100)
    """Retired versions to keep; older ones are dropped by the next promotion."""
    keep_retired_s: float = Field(default=600.0, ge=0)
    """A version is dropped no sooner after it was retired: requests that began with it may still read it."""


class Admission(Group):
    """How many requests a predictor pool serves at a time, and how the others wait. `docs/admission.md` tells more."""

    initial: int = Field(default=16, ge=1)
    """Concurrency limit at start, before anything was measured."""
    min: int = Field(default=1, ge=1)
    """The limit never falls below."""
    max: int = Field(default=512, ge=1)
    """The limit never rises above; equal to `min`: a fixed limit."""
    tolerance: float = Field(default=2.0, ge=1.2, le=10)
    """How many times its usual time with room a first token may take before the limit falls."""
    slack_s: float = Field(default=0.01, ge=0)
    """Seconds on top of that: for models so quick that the network's own jitter counts."""
    max_waiting: int = Field(default=256, ge=0)
    """Requests that wait for a slot; one more is answered 429 at once. While a queue stands, fewer may wait."""
    max_wait_s: float = Field(default=10.0, gt=0)
    """Longest wait for a slot; who has waited longer is answered 429."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.initial <= self.max:
            raise ValueError("admission needs min <= initial <= max")
        return self


class Endpoint(Group):
    """One server of a pool."""

    url: str | None = None
    """Its root, e.g. http://llm-predictor.models.svc. Without it: the model of this process, as `predictor` says."""
    protocol: Literal["tgi", "openai"] = "tgi"
    """What it speaks."""
    model: str = "tgi"
    """The name to ask for."""
    api_key: SecretStr | None = None
    """Sent as Bearer key."""


class Schedule(Group):
    """A daily window, UTC; it may reach over midnight."""

    start: time
    """First minute."""
    end: time
    """First minute after it."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are the same")
        return self


class Spill(Group):
    """When requests go past this pool to the next one. A pool whose endpoints are all broken is passed in any case."""

    queue_wait_s: float = Field(default=2.0, ge=0)
    """Spill while the expected wait for a slot is longer."""
    return_wait_s: float = Field(default=0.5, ge=0)
    """Come back once the expected wait is shorter: the gap keeps traffic from flapping."""
    hold_s: float = Field(default=10.0, ge=0)
    """At least this long between spilling and coming back."""
    schedule: tuple[Schedule, ...] = ()
    """Windows in which this pool is passed whatever its load, such as a nightly maintenance."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.return_wait_s > self.queue_wait_s:
            raise ValueError("spill.return_wait_s must not be above spill.queue_wait_s")
        return self


class Caps(Group):
    """What a pool may be used for in one day (UTC), by each gateway process."""

    tokens_per_day: int | None = Field(default=None, ge=1)
    """Prompt and answer tokens; unset: no cap."""
    cost_per_day: float | None = Field(default=None, gt=0)
    """In the currency of the pool's prices; unset: no cap."""


class ModelPolicy(Group):
    """The model of a pool, declared: known while no endpoint is up."""

    id: str
    """Its public name."""
    engine: str = "tgi"
    """What runs it."""
    context_tokens: int = Field(default=4096, ge=256)
    """Prompt and answer together."""
    revision: str | None = None
    """An immutable version."""
    dataset: str | None = None
    """The data set that it was trained on, with its version: receipts tell it."""
    training_run: str | None = None
    """The run that made it."""
    base_model: str | None = None
    """The model that was trained."""


class Pool(Group):
    """Servers of one model at one place. Pools are tried in the order in which they are listed."""

    name: Name
    """For metrics and receipts."""
    region: Region = "default"
    """Where it is, for residency."""
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)
    """The servers; requests go to the one with the fewest running."""
    model: ModelPolicy | None = None
    """Needed where the pool may sleep; else it is asked from an endpoint."""
    lineage: Path | None = None
    """As `predictor.lineage`."""
    input_cost_per_million: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens."""
    output_cost_per_million: float = Field(default=0.0, ge=0)
    """Price of a million answer tokens."""
    admission: Admission = Admission()
    """How many at a time."""
    spill: Spill = Spill()
    """When to go past it."""
    caps: Caps = Caps()
    """Daily caps."""
    answers: bool = True
    """`false`: no question comes here but those of releases that name it; it may judge answers, see `quality.judge`."""


class Resilience(Group):
    """Retries, breakers, waking from zero: for every pool."""

    retry_share: float = Field(default=0.1, ge=0, le=1)
    """Retries as a share of requests; spent, failures are told at once."""
    max_attempts: int = Field(default=3, ge=1, le=10)
    """Tries of one request, the first one included; never after the first token."""
    backoff_s: float = Field(default=0.05, ge=0)
    """Base of the jittered pause before a retry at the same pool."""
    breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row that open an endpoint's breaker."""
    breaker_open_s: float = Field(default=5.0, gt=0)
    """Until one request may try a broken endpoint again; doubles while it fails, up to twelve times as long."""
    failover_idle_s: float | None = Field(default=None, gt=0)
    """Ask another endpoint when the first token has not come by then; unset: only `first_token_timeout_s` counts."""
    wake_hold: int = Field(default=32, ge=0)
    """Requests held while no endpoint of a pool is up, such as one that scales from zero; more are answered 503."""
    wake_s: float = Field(default=60.0, ge=0)
    """How long they are held."""
    wake_probe_s: float = Field(default=1.0, gt=0)
    """Between two looks whether an endpoint is up."""


def tenants(policies: dict[str, TenantPolicy], default: TenantPolicy) -> Tenants:
    """The domain's tenants."""
    return Tenants({name: policy.tenant(name) for name, policy in policies.items()}, default.tenant("default"))
