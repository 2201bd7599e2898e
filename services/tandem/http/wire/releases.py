"""Releases on the wire."""

import math
from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from tandem.domain.lineage import GoldenQuestion
from tandem.domain.release import MARGINS, Measure, Release, ReleasePolicy, Tally, TryMode
from tandem.http.wire.text import CollectionName, Ours, Out, ShortText
from tandem.http.wire.versions import Golden
from tandem.pipeline.releases.desk import Watched
from tandem.pipeline.releases.judging import Compared, Verdict

ReleaseName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")]
Weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_POLICY = ReleasePolicy()
Share = Annotated[float, Field(gt=0, le=1)]


class Margins(Ours):
    """How much worse the candidate may be, at most, and still be let through."""

    latency: float = Field(default=MARGINS["latency"], gt=1, le=10, description="A factor.")
    errors: Share = MARGINS["errors"]
    abstained: Share = MARGINS["abstained"]
    groundedness: Share = MARGINS["groundedness"]
    citation_coverage: Share = MARGINS["citation_coverage"]
    feedback: float = Field(default=MARGINS["feedback"], gt=0, le=2)


class PolicyBody(Ours):
    """When it is promoted and when it is taken back."""

    automatic: bool = Field(default=_POLICY.automatic, description="False: people decide.")
    alpha: float = Field(
        default=_POLICY.alpha,
        gt=0,
        le=0.5,
        description="Chance that one that is no worse is taken back, however often one looks.",
    )
    least: int = Field(
        default=_POLICY.least, ge=20, le=1_000_000, description="Conversations on each side before it is promoted."
    )
    soak_s: float = Field(default=_POLICY.soak_s, ge=0, le=31_536_000, description="Seconds before it is promoted.")
    margins: Margins = Margins()
    golden: bool = Field(
        default=_POLICY.golden, description="Its golden questions have to be asked before it is promoted."
    )
    max_drop: float = Field(
        default=_POLICY.max_drop, ge=0, le=1, description="By which share of them right answers may fall."
    )

    def policy(self) -> ReleasePolicy:
        """The domain's."""
        margins: dict[Measure, float] = self.margins.model_dump()  # type: ignore[assignment]
        return ReleasePolicy(self.automatic, self.alpha, self.least, self.soak_s, margins, self.golden, self.max_drop)


class ReleaseBody(Ours):
    """A release to be tried; what is left out stays as it is configured."""

    name: ReleaseName
    prompt: ShortText | None = Field(default=None, min_length=1, description="Template, name@version.")
    collection: CollectionName | None = Field(default=None, description="A version that is ready, such as docs@3.")
    pools: Annotated[
        list[ShortText], Field(default=[], max_length=16, description="The only pools that answer for it.")
    ]
    weight: Weight = Field(default=0.1, description="Share of the conversations that it is tried with.")
    mode: TryMode = "canary"
    policy: PolicyBody = PolicyBody()

    def release(self, by: str) -> Release:
        """The domain's."""
        return Release(
            self.name,
            self.prompt,
            self.collection,
            tuple(dict.fromkeys(self.pools)),
            self.weight,
            self.mode,
            self.policy.policy(),
            by=by,
        )


class SplitBody(Ours):
    """Another share, or another way to try it."""

    weight: Weight | None = None
    mode: TryMode | None = None


class GoldenBody(Ours):
    """Some golden questions, at most 20 a call: each is asked twice."""

    questions: Annotated[list[Golden], Field(min_length=1, max_length=20)]
    anew: bool = Field(default=False, description="Forget those that were asked before.")
    complete: bool = Field(default=True, description="False: more are to come.")

    def golden(self) -> list[GoldenQuestion]:
        """The domain's."""
        return [GoldenQuestion(each.question, tuple(each.document_ids)) for each in self.questions]


class PromoteReleaseBody(Ours):
    """How to promote it."""

    force: ShortText | None = Field(default=None, min_length=1, description="A reason to do so whatever was measured.")


class RollbackReleaseBody(Ours):
    """Why it is taken back."""

    reason: ShortText = "by hand"


class WirePolicy(Out):
    """See `PolicyBody`."""

    automatic: bool
    alpha: float
    least: int
    soak_s: float
    margins: dict[str, float]
    golden: bool
    max_drop: float


class WireGolden(Out):
    """Golden questions: asked, and answered right by each side."""

    questions: int
    control: int
    candidate: int
    lost: list[str] = Field(description="Some that only what serves got right.")
    complete: bool


class WireRelease(Out):
    """One release."""

    name: str
    prompt: str | None
    collection: str | None
    pools: list[str]
    weight: float
    mode: str
    state: str = Field(description="trying, promoting, serving, retired or rolled_back.")
    created_at: float = Field(description="Seconds since 1970.")
    changed_at: float
    replaced: str = Field(description="What served before it; base: the configuration.")
    reason: str = Field(description="Of the last change of its state.")
    by: str
    policy: WirePolicy
    golden: WireGolden | None


class WireSide(Out):
    """One measure of one side; the mean of latencies is in seconds, and geometric."""

    conversations: int
    mean: float | None


class WireCompared(Out):
    """One measure of both. `worse_by` is how much worse the candidate is, with the bounds that hold at every look."""

    measure: str
    control: WireSide
    candidate: WireSide
    worse_by: float | None
    at_least: float | None
    at_most: float | None
    margin: float
    fine: bool = Field(description="Certainly within the margin.")
    worse: bool = Field(description="Certainly worse.")


class WireVerdict(Out):
    """What the policy says now."""

    decision: str = Field(description="promote, roll_back or wait.")
    reasons: list[str]
    measures: list[WireCompared]


class WireWatched(WireRelease):
    """A release, and how it is doing while it is tried."""

    verdict: WireVerdict | None


class WireReleases(Out):
    """All that are known, oldest first."""

    serving: str = Field(description="base: the configuration.")
    data: list[WireRelease]


def wire_release(release: Release) -> WireRelease:
    """What is told of it."""
    return WireRelease.model_validate(asdict(release))


def wire_watched(watched: Watched) -> WireWatched:
    """The same with its measures."""
    verdict = None if watched.verdict is None else _verdict(watched.verdict)
    return WireWatched.model_validate({**asdict(watched.release), "verdict": verdict})


def _verdict(verdict: Verdict) -> WireVerdict:
    return WireVerdict(
        decision=verdict.decision,
        reasons=list(verdict.reasons),
        measures=[_compared(each) for each in verdict.compared],
    )


def _compared(each: Compared) -> WireCompared:
    harm = each.harm

    def shown(value: float) -> float | None:
        """Latencies as factors."""
        if not math.isfinite(value):
            return None
        return round(math.exp(value) if each.measure == "latency" else value, 4)

    def side(tally: Tally) -> WireSide:
        return WireSide(conversations=tally.count, mean=shown(tally.mean))

    return WireCompared(
        measure=each.measure,
        control=side(each.control),
        candidate=side(each.candidate),
        worse_by=shown(harm.estimate),
        at_least=shown(harm.above),
        at_most=shown(harm.below),
        margin=round(math.exp(each.margin), 4) if each.measure == "latency" else each.margin,
        fine=each.fine,
        worse=each.worse,
    )
