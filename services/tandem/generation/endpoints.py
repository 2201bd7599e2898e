"""The servers of one pool: the least loaded one whose breaker lets a request pass."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tandem.domain.errors import TandemError, UpstreamUnavailable
from tandem.generation.breaker import Breaker
from tandem.ports.generator import Generator


@dataclass(slots=True)
class Endpoint:
    """One server: `probe` asks whether it would take a request and raises `UpstreamUnavailable` when not."""

    generator: Generator
    breaker: Breaker
    probe: Callable[[], Awaitable[None]]
    running: int = 0


@dataclass(slots=True)
class Endpoints:
    """In the order of the configuration."""

    members: Sequence[Endpoint] = field(default_factory=tuple)

    @property
    def up(self) -> bool:
        """True when any lets a request pass."""
        return any(one.breaker.admits for one in self.members)

    @property
    def opens_in_s(self) -> float:
        """Until the first broken one may be tried again."""
        return min((one.breaker.opens_in_s for one in self.members), default=0.0)

    def pick(self, tried: Sequence[Endpoint] = ()) -> Endpoint | None:
        """The one with the fewest running requests that was not tried yet; None when there is none.

        One that failed a moment ago comes last. One whose breaker is half open has none running, so its one try comes
        soon; when that fails, the next is asked.
        """
        able = (one for one in self.members if one not in tried and one.breaker.admits)
        return min(able, key=lambda one: (one.breaker.suspect, one.running), default=None)

    async def probe(self) -> None:
        """Asks the servers in turn until one is up, and trusts that one again. Raises what the last one raised."""
        away: TandemError = UpstreamUnavailable("The pool has no server.")
        for one in self.members:
            try:
                await one.probe()
            except TandemError as error:
                away = error
            else:
                one.breaker.reset()
                return
        raise away
