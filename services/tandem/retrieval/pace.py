"""How long each stage takes at present, so that what would not fit is not begun."""

from dataclasses import dataclass

from tandem.retrieval.plan import Stage

_GAIN = 1 / 8
_SPREAD_GAIN = 1 / 4
_SPREADS = 4
_FADING = 0.95


@dataclass(slots=True)
class _Measured:
    mean_s: float
    spread_s: float


class Pace:
    """A smoothed mean plus four mean deviations: TCP's retransmission timer (RFC 6298, after Jacobson, 1988).

    It is met by all but the slowest runs, and follows a stage that slows down under load within a few of them. What was
    assumed counts as if it had been measured, so that one cold first run does not rule a stage out.
    """

    def __init__(self) -> None:
        self._measured: dict[str, _Measured] = {}

    def needs_s(self, stage: Stage) -> float:
        """Seconds to allow for the stage."""
        found = self._measured.get(stage.name)
        return stage.assumed_s if found is None else found.mean_s + _SPREADS * found.spread_s

    def took(self, stage: Stage, seconds: float) -> None:
        """One run, whole or cut off: a stage that was cut off needs at least as long."""
        found = self._known(stage)
        found.spread_s += _SPREAD_GAIN * (abs(seconds - found.mean_s) - found.spread_s)
        found.mean_s += _GAIN * (seconds - found.mean_s)

    def skipped(self, stage: Stage) -> None:
        """It was left out: nothing was learnt, so what is known counts a little less, and it is tried again some day."""
        found = self._known(stage)
        found.mean_s *= _FADING
        found.spread_s *= _FADING

    def _known(self, stage: Stage) -> _Measured:
        # What is assumed is what to allow: half of it mean, half of it spread.
        return self._measured.setdefault(stage.name, _Measured(stage.assumed_s / 2, stage.assumed_s / (2 * _SPREADS)))
