"""Which version serves: through the gate and from one moment to the next, and back again."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, PromotionRefused, VersionConflict
from tandem.domain.lineage import GateResult, GoldenQuestion, Lineage, Version, base_of
from tandem.pipeline.turns import finish
from tandem.pipeline.versions.building import Building
from tandem.pipeline.versions.gating import Gate, GatePolicy
from tandem.ports.clock import Clock
from tandem.ports.vectors import Vectors
from tandem.ports.versions import Promotion

_MOST_TOLD = 10
# As many results as a lineage keeps.
_MOST_GATES = 10
_ROUNDS = 3
_Change = Callable[[Lineage], Lineage]


def _unchanged(lineage: Lineage) -> Lineage:
    return lineage


@dataclass(frozen=True, slots=True)
class Policy:
    """Of one collection. Retired versions beyond `keep_versions` are dropped once they have been retired for
    `keep_retired_s`: until then a request that began with one may still read it.
    """

    gate: GatePolicy = field(default_factory=GatePolicy)
    keep_versions: int = 2
    keep_retired_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Promoting:
    """What of `ports/versions.py` changes who serves. `golden` brings the configured questions of a collection."""

    vectors: Vectors
    building: Building
    gate: Gate
    clock: Clock
    policy: Callable[[str], Policy]
    golden: Callable[[str], Awaitable[Sequence[GoldenQuestion]]]

    async def promote(self, collection: str, wish: Promotion, context: RequestContext) -> Version:
        """See the port. Nothing of it is seen before the name is switched, which is one step."""
        base = base_of(collection)
        found = await self.building.versions(base)
        serving = next((each for each in found if each.state == "serving"), None)
        candidate = _candidate(base, found, wish.version)
        if serving is not None and candidate.state == "ready":
            # One that served before is gone back to as it was. Each round takes less time, and so leaves less behind.
            for _ in range(_ROUNDS):
                if not await self.building.catch_up(serving, candidate):
                    break
        result = await self._judged(candidate, serving, wish, context)

        def judged(lineage: Lineage) -> Lineage:
            return replace(lineage, gates=(*lineage.gates, result)[-_MOST_GATES:])

        if result.refusals and result.forced is None:
            await self.vectors.change_lineage(candidate.name, judged)
            raise _refused(candidate.name, result)
        return await finish(self._switched(candidate, serving, judged))

    async def _judged(
        self, candidate: Version, serving: Version | None, wish: Promotion, context: RequestContext
    ) -> GateResult:
        base = base_of(candidate.name)
        golden = await self.golden(base) if wish.golden is None else wish.golden
        policy = self.policy(base).gate
        before = None if serving is None else serving.name
        result = await self.gate.judge(candidate.name, before, golden, policy, context)
        return replace(result, forced=wish.force) if result.refusals else result

    async def rollback(self, collection: str, of: str | None = None) -> Version:
        """See the port. What it holds passed its gate once; it is not asked again."""
        found = await self.building.versions(base_of(collection))
        serving = next((each for each in found if each.state == "serving"), None)
        if serving is None:
            raise InvalidRequest(f"No version of {collection} serves.", hint="Promote one.", param="collection")
        if of is not None and serving.name != of:
            raise VersionConflict(
                f"{of} does not serve any more, {serving.name} does.",
                hint=f"`tandem collections versions {base_of(of)}` shows them all.",
                param="of",
            )
        target = next((each for each in found if each.name == serving.lineage.replaced), None)
        if target is None:
            raise InvalidRequest(
                f"{serving.name} replaced no version that is still there.",
                hint="Promote another one: `tandem collections versions` shows those there are.",
                param="collection",
            )
        return await self._served(target, serving)

    async def _switched(self, candidate: Version, serving: Version | None, judged: _Change) -> Version:
        """Promoted: the lineage first, so that there is a way back whatever happens."""
        replaced = None if serving is None else serving.name
        promoted = await self._served(candidate, serving, lambda found: replace(judged(found), replaced=replaced))
        if serving is not None and candidate.state == "ready":
            # What was written into the old version after the first look, before the name was switched.
            await self.building.catch_up(serving, candidate)
        await self.drop_old(base_of(candidate.name))
        return promoted

    async def _served(self, version: Version, serving: Version | None, told: _Change = _unchanged) -> Version:
        now_s, before = self.clock.epoch_s(), version.lineage

        def promoted(found: Lineage) -> Lineage:
            finished_at = now_s if found.finished_at is None else found.finished_at
            return replace(told(found), finished_at=finished_at, promoted_at=now_s, retired_at=None)

        def back(found: Lineage) -> Lineage:
            return replace(
                found, finished_at=before.finished_at, promoted_at=before.promoted_at, retired_at=before.retired_at
            )

        lineage = await self.vectors.change_lineage(version.name, promoted)
        try:
            await self.vectors.serve(version.name, instead_of=None if serving is None else serving.name)
        except VersionConflict:
            # The same version may have been promoted by who was faster: then this is what is true of it.
            if await self.vectors.resolve(base_of(version.name)) != version.name:
                await self.vectors.change_lineage(version.name, back)
            raise
        if serving is not None:
            await self.vectors.change_lineage(serving.name, lambda found: replace(found, retired_at=now_s))
        return replace(version, lineage=lineage, state="serving")

    async def drop_old(self, base: str) -> list[str]:
        """Drop what the policy does not keep; their names."""
        found = await self.building.versions(base)
        gone = outlived(found, self.policy(base), self.clock.epoch_s())
        for name in gone:
            await self.vectors.drop_version(name)
        return gone


def outlived(found: Sequence[Version], policy: Policy, now_s: float) -> list[str]:
    """Retired versions that need not be kept, longest retired first; never the one that a rollback would go to."""
    way_back = next((each.lineage.replaced for each in found if each.state == "serving"), None)
    retired = sorted(
        (each for each in found if each.state == "retired"), key=lambda each: each.lineage.retired_at or now_s
    )
    beyond = retired[: max(0, len(retired) - policy.keep_versions)]
    return [
        each.name
        for each in beyond
        if (each.name != way_back or policy.keep_versions == 0)
        and now_s - (each.lineage.retired_at or now_s) >= policy.keep_retired_s
    ]


def _candidate(base: str, found: Sequence[Version], wanted: str | None) -> Version:
    if wanted is None:
        ready = [each for each in found if each.state == "ready"]
        if not ready:
            raise InvalidRequest(
                f"No version of {base} is ready to be promoted.",
                hint=f"Build one: `tandem collections build {base}`.",
                param="version",
            )
        return ready[-1]
    candidate = next((each for each in found if each.name == wanted), None)
    if candidate is None:
        raise InvalidRequest(
            f"There is no version {wanted[:80]!r} of {base}.",
            hint=f"`tandem collections versions {base}` shows those there are.",
            param="version",
        )
    if candidate.state in {"serving", "building"}:
        doing = "serves already" if candidate.state == "serving" else "is not complete"
        raise InvalidRequest(
            f"{wanted} {doing}.", hint=f"`tandem collections build {base}` goes on with one.", param="version"
        )
    return candidate


def _refused(name: str, result: GateResult) -> PromotionRefused:
    questions = [
        f"{miss.question!r} lacks {', '.join(miss.missing)}"
        + (" (found by the serving version)" if miss.regressed else "")
        for miss in result.misses[:_MOST_TOLD]
    ]
    more = len(result.misses) - len(questions)
    told = "; ".join([*questions, *([f"and {more} more"] if more > 0 else [])])
    return PromotionRefused(
        f"{name} is held back: {'; '.join(result.refusals)}." + (f" Failing questions: {told}." if told else ""),
        hint="Its lineage keeps every question that failed. --force with a reason promotes it all the same.",
        param="version",
    )
