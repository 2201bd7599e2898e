"""One pool with everything that guards it, and how hard a request is tried."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tandem.admission.turnstile import Turnstile
from tandem.domain.errors import InvalidRequest, TandemError, UpstreamFailed, UpstreamUnavailable
from tandem.domain.generation import ModelCard
from tandem.domain.model_version import Ancestry
from tandem.generation.endpoints import Endpoint, Endpoints
from tandem.generation.pools import PoolPolicy
from tandem.generation.retries import RetryBudget
from tandem.generation.waking import Waking

_UNTOLD = "Declare its model in the configuration, or have the server tell it."


def _untold(card: ModelCard) -> Ancestry:
    return card.ancestry


@dataclass(slots=True)
class Pool:
    """One pool with everything that guards it. `card` is the declared model, if there is one; `made_from` is asked of each."""

    policy: PoolPolicy
    endpoints: Endpoints
    turnstile: Turnstile
    waking: Waking
    card: ModelCard | None = None
    made_from: Callable[[ModelCard], Ancestry] = _untold
    _told: Endpoint | None = field(default=None, init=False, repr=False)

    @property
    def known(self) -> bool:
        """True when `model` need not wait for a server that never told."""
        return self.card is not None or self._told is not None

    async def model(self, answering: Endpoint | None = None) -> ModelCard:
        """What it serves: as declared, or as a server tells: the one that is answering, else the first that could be
        asked, now and later.
        """
        if self.card is not None:
            return self._described(self.card)
        failure: TandemError | None = None
        for endpoint in self._to_ask(answering):
            try:
                card = await endpoint.generator.card()
            except InvalidRequest as error:
                # A path that it does not know, say: nothing that the caller of a request could change.
                failure = UpstreamFailed(error.message, hint=_UNTOLD)
            except TandemError as error:
                failure = error
            else:
                self._told = endpoint
                return self._described(card)
        raise failure or UpstreamUnavailable("The pool has no server.")

    def _to_ask(self, answering: Endpoint | None) -> Sequence[Endpoint]:
        others = self.endpoints.members if self._told is None else (self._told,)
        return others if answering is None else (answering, *(one for one in others if one is not answering))

    def _described(self, card: ModelCard) -> ModelCard:
        """What it was made from may become known later, or change with what a server serves."""
        ancestry = self.made_from(card)
        return card if ancestry == card.ancestry else replace(card, ancestry=ancestry)

    async def learn(self, every_s: float) -> None:
        """Ask until it is known, so that no request for a model by its name waits for servers that are away."""
        while not self.known:
            try:
                await self.model()
            except TandemError:
                await asyncio.sleep(every_s)

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
