"""What is asked: how often at each hour, how long prompts and answers are, for whom, and how soon answers have to come."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from tandem.domain.errors import ConfigurationError
from tandem.domain.tenants import Tenant
from tandem.platform.plan.reading import Part, overlaid, read_yaml, validated

Floats = npt.NDArray[np.float64]
Region = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")]
# An answer or a prompt is at most so many times as long as the mean one.
LONGEST = 3.0
HOURS = 24
# Shares of the busiest hour, from midnight on.
DAYS: Mapping[str, tuple[float, ...]] = {
    "flat": (1.0,) * HOURS,
    "business": (
        *(0.04, 0.03, 0.03, 0.03, 0.04, 0.06, 0.12, 0.32, 0.68, 0.92, 1.0, 0.96),
        *(0.78, 0.88, 0.98, 0.94, 0.82, 0.58, 0.34, 0.22, 0.16, 0.12, 0.08, 0.06),
    ),
    "evening": (
        *(0.45, 0.28, 0.17, 0.12, 0.1, 0.11, 0.16, 0.26, 0.36, 0.42, 0.46, 0.5),
        *(0.54, 0.52, 0.5, 0.52, 0.57, 0.66, 0.78, 0.9, 1.0, 0.98, 0.86, 0.66),
    ),
}


class Tokens(Part):
    """A lognormal length: its mean, and the sigma of its logarithm."""

    mean: float = Field(ge=1, le=1_000_000)
    spread: float = Field(default=0.4, ge=0, le=2)

    @property
    def longest(self) -> int:
        """Nothing longer is asked, or answered."""
        return math.ceil(LONGEST * self.mean) if self.spread else math.ceil(self.mean)

    def drawn(self, random: np.random.Generator, count: int) -> Floats:
        """So many lengths, none beyond the longest."""
        if not self.spread:
            return np.full(count, float(round(self.mean)))
        sigma = self.spread
        found = random.lognormal(math.log(self.mean) - sigma * sigma / 2, sigma, count)
        return np.clip(np.round(found), 1, self.longest)


class TenantTraffic(Part):
    """One tenant's part of the requests, and the regions that its data may not leave."""

    share: float = Field(gt=0, le=1)
    regions: frozenset[Region] | None = None


class Regions(Part):
    """Where the machines are, for residency: own, rented, and a provider's."""

    onprem: Region = "onprem"
    cloud: Region = "cloud"
    api: Region = "cloud"


class Objectives(Part):
    """What answers have to hold to: 99th percentiles in seconds from the arrival on, and the share that may be refused."""

    first_token_p99_s: float = Field(default=3.0, gt=0)
    answer_p99_s: float | None = Field(default=None, gt=0)
    refused_share: float = Field(default=0.005, ge=0, lt=1)


class Gateway(Part):
    """What a request takes before its prompt is ready: CPU, and seconds of waiting for others, such as a vector store.

    `blocking` is the share of that CPU time in which a model in the same process stands still: 1 for a model that runs under
    the same interpreter, 0 for an engine that is a process of its own on the same machine.
    """

    cpu_s: float = Field(default=0.025, ge=0)
    latency_s: float = Field(default=0.04, ge=0)
    requests_per_second: float = Field(default=20, gt=0)
    blocking: float = Field(default=1.0, ge=0, le=1)


class Traffic(Part):
    """A day of it. `requests_per_second`: a figure for each hour, or one for the busiest hour of a day of that shape."""

    requests_per_second: tuple[Annotated[float, Field(ge=0, le=1_000_000)], ...]
    prompt_tokens: Tokens = Tokens(mean=1200)
    answer_tokens: Tokens = Tokens(mean=250)
    documents: int = Field(default=100_000, ge=0)
    tenants: dict[Region, TenantTraffic] = Field(default_factory=dict)
    regions: Regions = Regions()
    slo: Objectives = Objectives()
    gateway: Gateway = Gateway()
    timeout_s: float = Field(default=120.0, gt=0)
    model: str = "llama-3.1-8b"
    gpu: str = "a10g"
    engine: Literal["tgi", "vllm"] = "tgi"
    quantisation: str | None = None
    gpus_per_replica: int = Field(default=1, ge=1, le=16)
    least_replicas: int = Field(default=1, ge=0, le=1)

    @field_validator("prompt_tokens", "answer_tokens", mode="before")
    @classmethod
    def _mean(cls, value: Any) -> Any:
        return {"mean": value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if len(self.requests_per_second) != HOURS:
            raise ValueError(f"requests_per_second has {len(self.requests_per_second)} hours of 24")
        if not any(self.requests_per_second):
            raise ValueError("requests_per_second is 0 at every hour: there is nothing to plan for")
        if sum(one.share for one in self.tenants.values()) > 1 + 1e-9:
            raise ValueError("the tenants' shares are more than 1 together")
        return self

    @property
    def peak(self) -> float:
        """Requests a second in the busiest hour."""
        return max(self.requests_per_second)

    @property
    def mean(self) -> float:
        """Requests a second over the day."""
        return sum(self.requests_per_second) / HOURS

    def minutes(self) -> Floats:
        """The rate at each minute: between the middles of hours it changes evenly, around midnight too."""
        middles = np.arange(-1, HOURS + 1) * 60.0 + 30.0
        rates = np.array([self.requests_per_second[-1], *self.requests_per_second, self.requests_per_second[0]])
        found: Floats = np.interp(np.arange(HOURS * 60) + 0.5, middles, rates)
        return found

    def shares(self) -> list[tuple[Tenant, float]]:
        """Who asks, and how much of it; what no tenant is named for is `default`'s."""
        found = [(Tenant(name, regions=one.regions), one.share) for name, one in self.tenants.items()]
        rest = 1 - sum(share for _, share in found)
        return [*found, (Tenant("default"), rest)] if rest > 1e-9 else found

    def allowed(self, region: str) -> float:
        """The share of requests whose data may go there."""
        return sum(share for tenant, share in self.shares() if tenant.regions is None or region in tenant.regions)

    def scaled(self, times: float) -> "Traffic":
        """As much more of it."""
        return self.model_copy(update={"requests_per_second": tuple(rate * times for rate in self.requests_per_second)})


def load_traffic(file: Path | None, given: Mapping[str, Any], *, day: str) -> Traffic:
    """A traffic file with what was given beside it laid over; without a file the rest is usual. Raises `ConfigurationError`."""
    data = read_yaml(file, "traffic file") if file is not None else {}
    data = overlaid(data, given)
    where = "traffic" if file is None else f"traffic file {file}"
    if "requests_per_second" not in data:
        raise ConfigurationError(
            "How much is asked is not said.", hint="Give --rps, or a file with requests_per_second."
        )
    data["requests_per_second"] = _hours(data["requests_per_second"], day, where)
    return validated(Traffic, data, where)


def _hours(said: Any, day: str, where: str) -> Any:
    if isinstance(said, bool) or said is None:
        raise ConfigurationError(f"{where}: requests_per_second is no rate.")
    if isinstance(said, int | float):
        return [float(said) * share for share in DAYS[day]]
    if not isinstance(said, Mapping):
        return said
    try:
        hours = {int(str(hour).partition(":")[0]): rate for hour, rate in said.items()}
    except ValueError as error:
        raise ConfigurationError(f"{where}: requests_per_second names an hour that is none: {error}.") from error
    if strange := sorted(set(hours) - set(range(HOURS))):
        raise ConfigurationError(f"{where}: requests_per_second has the hour {strange[0]}; they are 0 to 23.")
    if missing := [f"{hour:02}" for hour in range(HOURS) if hour not in hours]:
        raise ConfigurationError(
            f"{where}: requests_per_second lacks the hours {', '.join(missing)}.",
            hint="Give all 24, with 0 where nobody asks, or one figure for the busiest hour and --day.",
        )
    return [hours[hour] for hour in range(HOURS)]
