"""The right to ask a pool, and what its holder tells of how it went."""

from collections.abc import Callable
from typing import Protocol

from tandem.admission.claim import Claim
from tandem.admission.limit import NO_TICKET, AdaptiveLimit
from tandem.ports.clock import Clock

# A server that takes so many times its usual first token says nothing, whoever stopped waiting for it. Never sooner than
# the second, nor than the third while nothing is known of it.
_SILENCE = 10.0
_LEAST_SILENCE_S = 1.0
_UNKNOWN_SILENCE_S = 10.0


class Gate(Protocol):
    """Where slots come from."""

    def free(self, slot: "Slot") -> None:
        """It is over."""
        ...

    def first_token(self, slot: "Slot", now_s: float) -> None:
        """Its first token came."""
        ...


class Slot:
    """The right to ask the pool, told how it went. `waited_s`: how long it took to come, `among`: how many there were with it.

    One that was taken in the background may be `recalled`: it is wanted by somebody who waits.
    """

    __slots__ = (
        "_clock",
        "_gate",
        "_limit",
        "_tell",
        "_ticket",
        "among",
        "asked_s",
        "claim",
        "recalled",
        "taken_s",
        "waited_s",
    )

    def __init__(
        self,
        gate: Gate,
        limit: AdaptiveLimit,
        clock: Clock,
        claim: Claim,
        taken_s: float,
        waited_s: float,
        among: int = 1,
    ) -> None:
        self._gate = gate
        self._limit = limit
        self._clock = clock
        self._tell: Callable[[], None] = _nobody
        self._ticket = NO_TICKET
        self.asked_s = taken_s
        self.claim = claim
        self.taken_s = taken_s
        self.waited_s = waited_s
        self.among = among
        self.recalled = False

    def when_recalled(self, tell: Callable[[], None]) -> None:
        """How its holder is told that it is wanted back; at once when it is already."""
        self._tell = tell
        if self.recalled:
            tell()

    def recall(self) -> None:
        """It is wanted back. To be called once, by where it came from."""
        self.recalled = True
        self._tell()

    def asked(self) -> None:
        """The request goes to the pool now, or once more."""
        self._lost()
        self._ticket = self._limit.asked()
        self.asked_s = self._clock.monotonic_s()

    def first_token(self) -> None:
        """The first token came."""
        ticket, self._ticket = self._ticket, NO_TICKET
        now_s = self._clock.monotonic_s()
        self._limit.first_token(ticket, now_s - self.asked_s)
        self._gate.first_token(self, now_s)

    @property
    def silent(self) -> bool:
        """True when a first token should have come long ago."""
        usual_s = self._limit.baseline_s
        longest_s = _UNKNOWN_SILENCE_S if usual_s is None else max(_LEAST_SILENCE_S, _SILENCE * usual_s)
        return self._clock.monotonic_s() - self.asked_s > longest_s

    def pushed_back(self) -> None:
        """The pool answered that it has no room."""
        ticket, self._ticket = self._ticket, NO_TICKET
        self._limit.lost(ticket)
        self._limit.pushed_back(ticket)

    def free(self) -> None:
        """It is over. To be called once."""
        self._lost()
        self._gate.free(self)

    def _lost(self) -> None:
        ticket, self._ticket = self._ticket, NO_TICKET
        if ticket != NO_TICKET:
            # One that had to go has not told how long its first token would have taken.
            after_s = 0.0 if self.recalled else self._clock.monotonic_s() - self.asked_s
            self._limit.lost(ticket, after_s)


def _nobody() -> None:
    """Who is told while nobody holds it yet."""
