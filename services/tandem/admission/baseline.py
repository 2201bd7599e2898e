"""What a first token takes when nothing stands in its way, learned from what first tokens take."""

from collections import deque

_EPOCHS = 10
_SAMPLES = 50
_LONGEST_S = 60.0


class Baseline:
    """The least latency of the last epochs: it falls at once, and rises once the epochs that saw less are over.

    An epoch ends after 50 samples or a minute, whichever is later; ten are remembered.
    """

    def __init__(self) -> None:
        self._epochs: deque[float] = deque(maxlen=_EPOCHS)
        self._least_s: float | None = None
        self._samples = 0
        self._began_s = 0.0

    @property
    def latency_s(self) -> float | None:
        """Seconds; None before the first sample."""
        return self._least_s

    def add(self, latency_s: float, now_s: float) -> None:
        """One more first token."""
        if not self._epochs or (self._samples >= _SAMPLES and now_s - self._began_s >= _LONGEST_S):
            self._epochs.append(latency_s)
            self._samples, self._began_s = 0, now_s
        self._samples += 1
        self._epochs[-1] = min(self._epochs[-1], latency_s)
        self._least_s = min(self._epochs)
