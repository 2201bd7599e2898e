"""What failed in the background is tried again: how often, and after which pause."""

from dataclasses import dataclass

from tandem.domain.errors import Overloaded, Preempted, RateLimited, TandemError, UpstreamFailed, UpstreamUnavailable

# Who gave way does not come back into the same crowd at once.
_PREEMPTED_S = 0.25


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """Failures that may pass are tried `most` times in all; the pause after the n-th is `first_s` · 4ⁿ⁻¹, `longest_s` at most.

    Want of room, giving way, and a part that is away are no failures of the job: these are not counted. `timeout_s` is one
    attempt's. A job that was begun more than `most` times was with a process that died: whichever of that one's jobs did it,
    this one gets `alone` more attempts, each with no other job beside it.
    """

    most: int = 5
    first_s: float = 2.0
    longest_s: float = 120.0
    timeout_s: float = 600.0
    alone: int = 5

    def pause_s(self, attempts: int, since_s: float, chance: float) -> float:
        """After so many that counted, and a quarter of the time since the first; up to a quarter longer by `chance` 0…1."""
        pause_s: float = min(self.longest_s, max(self.first_s * 4.0 ** max(0, attempts - 1), since_s / 4))
        return pause_s * (1 + chance / 4)

    def after(self, error: TandemError, attempts: int, since_s: float, chance: float) -> "Pause | None":
        """Before it is tried again; None where that is of no use. The times are as for `pause_s`."""
        pause_s = self.pause_s(attempts, since_s, chance)
        match error:
            case Preempted():
                # The later, the longer: it may be the wrong time of the day.
                return Pause(min(self.longest_s, max(_PREEMPTED_S, since_s / 16)), counted=False)
            case RateLimited():
                # The quota tells when there is room again, however long it has been tried.
                return Pause(max(self.first_s, error.retry_after_s), counted=False)
            case Overloaded():
                return Pause(max(pause_s, error.retry_after_s), counted=False)
            case UpstreamUnavailable():
                return Pause(max(pause_s, error.retry_after_s or 0.0), counted=False)
            # A broken stream is final online, since its beginning was sent; here nobody has seen it.
            case _ if (error.retryable or isinstance(error, UpstreamFailed)) and attempts < self.most:
                return Pause(pause_s, counted=True)
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Pause:
    """How long, and whether the attempt before it counted."""

    seconds: float
    counted: bool
