"""What one question came to: kept line by line, so that a run can be gone on with, compared, and looked into."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# In the order of the way to the prompt.
STAGES = ("dense", "sparse", "fused", "reranked")


@dataclass(frozen=True, slots=True)
class Row:
    """`stages` holds each stage's metrics and `measures` the answer's, see `answers.py`; both 0…1.

    `refused`: nothing relevant was found. `abstained`: no answer was given, None where none was asked for. `cached`: the answer
    was kept from before. `lost` is the
    stage that lost what answers the question, see `retrieval/losses.py`, also `not_cited` and `abstained` behind it; None
    where it was not. `collection` is the version that was searched, where it is told. `seconds` by name. `failed` is the
    code of the error that came instead of all this.
    """

    question: str
    text: str
    answerable: bool
    stages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    refused: bool = False
    abstained: bool | None = None
    cached: bool = False
    lost: str | None = None
    relevant: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    answer: str | None = None
    collection: str = ""
    model: str = ""
    prompt: str = ""
    degraded: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    failed: str | None = None

    @property
    def final(self) -> Mapping[str, float]:
        """The metrics after the last stage of the ranking; empty for a question that has no answer."""
        return next((self.stages[stage] for stage in reversed(STAGES) if stage in self.stages), {})
