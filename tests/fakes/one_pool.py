"""A dispatch over one generator, as the smallest deployment has it."""

from tandem.admission.limit import AdaptiveLimit
from tandem.admission.turnstile import Turnstile
from tandem.app.clock import SystemClock
from tandem.domain.generation import Usage
from tandem.generation.breaker import Breaker
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.generation.pools import PoolPolicy
from tandem.generation.retries import RetryBudget
from tandem.generation.waking import Waking
from tandem.pipeline.dispatching import Dispatch
from tandem.pipeline.pool import Pool, Trying
from tandem.ports.clock import Clock
from tandem.ports.generator import Generator, Inside


class Uncounted:
    """A meter that keeps nothing."""

    def entered(self, pool: str, reason: str, waited_s: float) -> None:
        pass

    def refused(self, pool: str, reason: str) -> None:
        pass

    def forbidden(self) -> None:
        pass

    def retried(self, pool: str, reason: str) -> None:
        pass

    def spent(self, tenant: str, usage: Usage, cost: float) -> None:
        pass


def one_pool(generator: Generator, clock: Clock | None = None, *, slots: int = 8) -> Dispatch:
    """Everything that fails is told at once: there is nothing to try again with."""
    clock = clock or SystemClock()
    server = Inside(generator)
    endpoints = Endpoints([Endpoint(server, Breaker(failures=1000, open_s=1, clock=clock), server.probe)])
    limit = AdaptiveLimit(initial=slots, least=slots, most=slots, clock=clock)
    turnstile = Turnstile(limit, max_waiting=100, max_wait_s=30, clock=clock)
    waking = Waking(most=0, hold_s=1, probe_s=1, probe=endpoints.probe, clock=clock)
    pool = Pool(PoolPolicy("default"), endpoints, turnstile, waking)
    return Dispatch([pool], clock, Uncounted(), Trying(RetryBudget(0, clock), 1, 0, None, lambda: 0))
