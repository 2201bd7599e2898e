"""All that one `tandem eval` brings: one measured side or two, how they compare, and what was measured before."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tandem.pipeline.evaluation.comparison import Comparison
from tandem.pipeline.evaluation.rows import Row
from tandem.pipeline.evaluation.run import Run
from tandem.pipeline.evaluation.summary import Evaluation

# What is told of a run beside its figures.
_FACTS = (
    "id", "at_s", "tandem", "subject", "config", "set_hash", "questions", "limit", "seed", "answers", "judge",
    "collections", "prompts", "models",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """One side: its facts, its figures, and the questions behind them."""

    run: Run
    evaluation: Evaluation
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`second` and `comparison` only where two were measured; `differs` says in which settings. `history` are earlier runs
    over the same set, oldest first, and `before` the questions of the last of them.
    """

    first: Measured
    second: Measured | None = None
    comparison: Comparison | None = None
    differs: tuple[str, ...] = ()
    history: tuple[Run, ...] = ()
    before: tuple[Row, ...] = ()

    def body(self) -> dict[str, Any]:
        """As `tandem eval -o json` prints it: the first side's figures, and the rest beside them."""
        found = self.first.evaluation.body() | {"run": _facts(self.first.run)}
        if self.second is None or self.comparison is None:
            return found
        other = self.second.evaluation.body() | {"run": _facts(self.second.run)}
        return found | {"against": other, "comparison": self.comparison.body() | {"differs": list(self.differs)}}


def _facts(run: Run) -> dict[str, Any]:
    found = asdict(run)
    return {name: found[name] for name in _FACTS}
