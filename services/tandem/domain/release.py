"""A release: prompt, collection and model that are tried, promoted and taken back together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tandem.domain.lineage import base_of

TryMode = Literal["canary", "shadow"]
# `promoting`: somebody is just letting it serve.
ReleaseState = Literal["trying", "promoting", "serving", "retired", "rolled_back"]
Arm = Literal["control", "candidate"]
Measure = Literal["latency", "errors", "abstained", "groundedness", "citation_coverage", "feedback"]
# What the configuration makes, before any release was promoted.
BASE = "base"
# How much worse a candidate may be, at most, and still be let through; of latency the factor.
MARGINS: Mapping[Measure, float] = {
    "latency": 1.2,
    "errors": 0.02,
    "abstained": 0.05,
    "groundedness": 0.05,
    "citation_coverage": 0.05,
    "feedback": 0.2,
}
_MOST_LOST = 20


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """When a release is promoted, and when it is taken back. `alpha` is the chance that one that is no worse is taken back.

    Before `least` conversations on each side, and `soak_s` seconds, nothing is promoted. Without `automatic` people decide.
    With `golden` its golden questions have to be asked before, and of them right answers may fall by the share `max_drop`.
    """

    automatic: bool = True
    alpha: float = 0.05
    least: int = 100
    soak_s: float = 600.0
    margins: Mapping[Measure, float] = field(default_factory=lambda: dict(MARGINS))
    golden: bool = False
    max_drop: float = 0.02


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """How many golden questions were asked, and how many answers of each side cite a document that answers them.

    `lost` are those that only what serves got right, the first few of them. More may come until it is `complete`.
    """

    questions: int = 0
    control: int = 0
    candidate: int = 0
    lost: tuple[str, ...] = ()
    complete: bool = False

    def __add__(self, other: "GoldenResult") -> "GoldenResult":
        return GoldenResult(
            self.questions + other.questions,
            self.control + other.control,
            self.candidate + other.candidate,
            (*self.lost, *other.lost)[:_MOST_LOST],
        )

    @property
    def drop(self) -> float:
        """By which share of the questions the candidate is worse; below 0 when it is better."""
        return (self.control - self.candidate) / self.questions if self.questions else 0.0


@dataclass(frozen=True, slots=True)
class Release:
    """`prompt` (`answer@2`), `collection` (`docs@3`) and `pools`: what is left out stays as it is configured.

    `weight` is the share of the conversations that it is tried with: answered by it, or in `shadow` answered once more by
    it for nobody to see. `reason` and `by` tell of the last change of its state.
    """

    name: str
    prompt: str | None = None
    collection: str | None = None
    pools: tuple[str, ...] = ()
    weight: float = 0.1
    mode: TryMode = "canary"
    policy: ReleasePolicy = field(default_factory=ReleasePolicy)
    state: ReleaseState = "trying"
    created_at: float = 0.0
    changed_at: float = 0.0
    replaced: str = BASE
    reason: str = ""
    by: str = ""
    golden: GoldenResult | None = None

    def covers(self, collection: str) -> bool:
        """True for a collection that it says something about."""
        return self.collection is None or collection == base_of(self.collection)


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one measure: how many conversations, and what it takes to know their mean and variance."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def and_one(self, value: float) -> "Tally":
        """With another conversation."""
        return Tally(self.count + 1, self.total + value, self.squares + value * value)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """NaN of nothing."""
        return self.total / self.count if self.count else math.nan

    @property
    def variance(self) -> float:
        """Of one conversation."""
        return max(0.0, self.squares / self.count - self.mean**2) if self.count else math.nan


Tallies = Mapping[tuple[Arm, Measure], Tally]


@dataclass(frozen=True, slots=True)
class Book:
    """All releases, oldest first, as of a revision: whoever changes them puts the next revision in its place, or learns that
    somebody else did.
    """

    revision: int = 0
    releases: tuple[Release, ...] = ()

    def find(self, name: str) -> Release | None:
        """By its name."""
        return next((each for each in self.releases if each.name == name), None)

    @property
    def candidate(self) -> Release | None:
        """The one that is tried: there is one at a time."""
        return next((each for each in self.releases if each.state in ("trying", "promoting")), None)

    @property
    def serving(self) -> Release | None:
        """None where the configuration serves by itself."""
        return next((each for each in self.releases if each.state == "serving"), None)

    def put(self, *changed: Release) -> "Book":
        """The next revision, with these instead of those of their names, new ones last."""
        by_name = {each.name: each for each in self.releases} | {each.name: each for each in changed}
        return replace(self, revision=self.revision + 1, releases=tuple(by_name.values()))
