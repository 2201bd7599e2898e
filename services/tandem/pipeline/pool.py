"""One pool with everything that guards it, and how hard a request is tried."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tandem.admission.turnstile import Turnstile
from tandem.domain.errors import TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import ModelCard
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.generation.pools import PoolPolicy
from tandem.generation.retries import RetryBudget
from tandem.generation.waking import Waking


@dataclass(slots=True)
class Pool:
    """One pool with everything that guards it. `card` is the declared model, if there is one."""

    policy: PoolPolicy
    endpoints: Endpoints
    turnstile: Turnstile
    waking: Waking
    card: ModelCard | None = None
    _told: Endpoint | None = field(default=None, init=False, repr=False)

    async def model(self) -> ModelCard:
        """What it serves: as declared, or as a server tells: the first that could be asked, now and later."""
        if self.card is not None:
            return self.card
        failure: TandemError | None = None
        for endpoint in (self._told,) if self._told is not None else self.endpoints.members:
            try:
                card = await endpoint.generator.card()
            except (UpstreamUnavailable, UpstreamFailed) as error:
                failure = error
            else:
                self._told = endpoint
                return card
        raise failure or UpstreamUnavailable("The pool has no server.")

    def broken(self) -> UpstreamUnavailable:
        """What is said while every breaker is open."""
        return UpstreamUnavailable(
            "The model's servers failed a moment ago and are left alone for now.",
            stage="generation",
            retry_after_s=max(1.0, self.endpoints.opens_in_s),
        )


@dataclass(frozen=True, slots=True)
class Trying:
    """How hard one request is tried. `idle_s`: ask another server when the first token has not come by then."""

    budget: RetryBudget
    attempts: int
    backoff_s: float
    idle_s: float | None
    random: Callable[[], float]
