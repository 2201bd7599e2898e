"""Settings of how the quality of answers is watched. `docs/quality.md` tells more."""

from pydantic import Field

from tandem.app.group import Group


class Judge(Group):
    """A model that judges a share of the answers in the background. Only answers whose texts are kept can be judged."""

    pool: str | None = None
    """One of `pools`; unset: nothing is judged. A pool with `answers: false` is there for this alone."""
    share: float = Field(default=0.01, ge=0, le=1)
    """Share of the answers."""
    per_minute: int = Field(default=10, ge=1)
    """At most so many by each process; the rest is counted and left."""
    tokens_per_day: int | None = Field(default=None, ge=1)
    """Cap of the tokens that judging takes in one day (UTC), by each process; unset: none."""
    cost_per_day: float | None = Field(default=None, gt=0)
    """The same in the currency of the pool's prices; unset: none but the pool's own."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Longest wait for one judgement, a slot included."""


class Quality(Group):
    """Measures of every answer and of the questions, for metrics and receipts."""

    scores: bool = True
    """Measure each answer's relevance, citation coverage, groundedness and language by words alone."""
    drift: bool = True
    """Watch whether the questions of a day differ from those of the week before; sums of embeddings are kept, no text."""
    judge: Judge = Judge()
