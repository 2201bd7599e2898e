"""Whether two systems that were asked the same questions differ by more than chance.

The p-value is that of a paired randomisation test: were both alike, each question's difference might as well have had the
other sign (Fisher, 1935; recommended for retrieval by Smucker, Allan and Carterette, CIKM 2007). The interval is a paired
percentile bootstrap over questions (Efron, 1979). Several metrics of one comparison are corrected as by Holm (1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

_RESAMPLES = 2000
_FLIPS = 10_000
# Rows of random numbers at a time: 10,000 flips of 10,000 questions at once would take a gigabyte.
_BLOCK = 500
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """How much the second is above the first, on average over `questions`; `low`…`high` is the 95 % interval.

    `p` is two-sided; `adjusted` is it after correction for the other metrics compared along with it.
    """

    mean: float
    low: float
    high: float
    p: float
    adjusted: float
    questions: int

    @property
    def moved(self) -> bool:
        """True when any question differs."""
        return (self.mean, self.low, self.high) != (0.0, 0.0, 0.0)

    @property
    def significant(self) -> bool:
        """True when chance is an unlikely reason: `adjusted` is below 0.05."""
        return self.adjusted < ALPHA


def difference(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Difference:
    """Of two systems' values for the same questions, neither empty. The questions' order makes no difference."""
    if len(first) != len(second) or not first:
        raise ValueError("paired values are needed, at least one pair")
    deltas = np.sort(np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64))
    mean = float(deltas.mean())
    rng = np.random.default_rng(seed)
    means = [deltas[rng.integers(0, len(deltas), (rows, len(deltas)))].mean(axis=1) for rows in _blocks(_RESAMPLES)]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    p = _randomised(deltas, rng)
    # A mean that rounding put a hair outside is inside.
    return Difference(mean, min(float(low), mean), max(float(high), mean), p, p, len(deltas))


def _randomised(deltas: "np.ndarray[tuple[int], np.dtype[np.float64]]", rng: np.random.Generator) -> float:
    """Share of sign flips with a mean as far from zero as the one seen; the seen one counts as a flip (Phipson, 2010)."""
    moved = deltas[deltas != 0]
    if not len(moved):
        return 1.0
    seen = abs(float(moved.sum()))
    as_far = 0
    for rows in _blocks(_FLIPS):
        signs = rng.integers(0, 2, (rows, len(moved)), dtype=np.int8) * 2 - 1
        # Sums of the same numbers in another order differ in the last bits.
        as_far += int(np.count_nonzero(np.abs(signs @ moved) >= seen * (1 - 1e-9)))
    return (as_far + 1) / (_FLIPS + 1)


def _blocks(rows: int) -> list[int]:
    return [min(_BLOCK, rows - start) for start in range(0, rows, _BLOCK)]


def corrected(found: Mapping[str, Difference]) -> dict[str, Difference]:
    """The same with `adjusted` by Holm's step-down procedure: the smallest p times their number, the next times one less,
    and so on, never below the one before, never above 1. Where no question differs nothing can be significant, whatever the
    signs: such a one is not counted (Tarone, 1990).
    """
    ordered = sorted((name for name, one in found.items() if one.moved), key=lambda name: found[name].p)
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - rank) * found[name].p))
        adjusted[name] = highest
    return {name: replace(one, adjusted=adjusted.get(name, 1.0)) for name, one in found.items()}
