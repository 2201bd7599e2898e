"""Whether a version that a registry has is to be tried: what serves, what was tried before, and what is in the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tandem.domain.model_version import ModelVersion
from tandem.platform.models.engine import Told, told_now, told_of
from tandem.platform.models.followed import Followed, Verdict
from tandem.platform.models.kept import Deployed, Kept, candidate_version
from tandem.platform.models.services import Found
from tandem.platform.objects import Object

# `new`: it is to be tried. Of all others nothing is to be done now, but for `passed` (its release may begin) and `lost` (its
# release was taken back).
State = Literal["new", "serving", "served", "removed", "refused", "passed", "lost", "trying", "released", "busy"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`why` is for people; `verdict` is what is remembered of the version."""

    state: State
    why: str = ""
    verdict: Verdict | None = None

    @property
    def acts(self) -> bool:
        """Whether anything is to be changed now."""
        return self.state in ("new", "passed", "lost")


@dataclass(frozen=True, slots=True)
class Trial:
    """A release as the gateways know it."""

    name: str
    state: str
    pools: tuple[str, ...]
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether people, or some of them, are answered by it."""
        return self.state in ("trying", "promoting", "serving")


def standing(
    version: ModelVersion, found: Found, kept: Kept, known: Followed, trials: Sequence[Trial], *, questions: str,
    pool: str | None, again: bool, quantization: str = "", file: str = "",
) -> Standing:  # fmt: skip
    """`trials` are the releases, none where there cannot be any; `pool` is the one that leads to the candidate.

    With `again` a version is tried whatever became of it before. Raises `ConfigurationError` for a format that the engine does
    not read.
    """
    verdict = known.of(version.name, version.version)
    return (
        _serving(version, found, kept, quantization, file)
        or _held(verdict, trials, pool)
        or (None if again else _before(version, kept, verdict, trials, questions))
        or _beside(version, found, known, pool)
        or (None if again else _passed(verdict, found, questions))
        or Standing("new", "it was not tried yet" if verdict is None else "it is tried again", verdict)
    )


def _serving(version: ModelVersion, found: Found, kept: Kept, quantization: str, file: str) -> Standing | None:
    current = kept.numbered(kept.current)
    if current is not None and _is(current, version):
        return Standing("serving", "it serves already")
    if not (current and current.model) and _told_alike(found.serving, version, quantization, file):
        return Standing("serving", "Helm installed it")
    return None


def _held(verdict: Verdict | None, trials: Sequence[Trial], pool: str | None) -> Standing | None:
    """While people are answered by the candidate's pods nobody may change them."""
    holder = next((each for each in trials if each.holds and pool in each.pools), None)
    if holder is None:
        return None
    if verdict is None or verdict.release != holder.name:
        return Standing("busy", f"the release {holder.name} answers with the pool {pool} ({holder.state})", verdict)
    if holder.state == "serving":
        why = f"its release {holder.name} serves everybody, from the candidate: tandem models promote {verdict.model} --url … moves it"
        return Standing("released", f"{why} into the predictor", verdict)
    return Standing("trying", f"its release {holder.name} is tried", verdict)


def _beside(version: ModelVersion, found: Found, known: Followed, pool: str | None) -> Standing | None:
    """A candidate that stands in the way; one that was followed here, and is tried by nobody, gives way to a newer one."""
    candidate = None if found.candidate is None else candidate_version(found.candidate)
    if candidate is None or _is(candidate, version):
        return None
    other, verdict = known.of(candidate.model, candidate.version), known.of(version.name, version.version)
    if candidate.model != version.name or other is None:
        return Standing("busy", f"the candidate is {candidate.name}, which was not followed here", verdict)
    if other.release and pool is None:
        return Standing("busy", f"{candidate.name} may be tried by the release {other.release}", verdict)
    return None


def _passed(verdict: Verdict | None, found: Found, questions: str) -> Standing | None:
    if verdict is None or verdict.state != "passed" or verdict.questions != questions:
        return None
    if found.candidate is None:
        return Standing("removed", "it passed, and its candidate was removed since", verdict)
    return Standing("passed", "it passed the gate", verdict)


def _before(
    version: ModelVersion, kept: Kept, verdict: Verdict | None, trials: Sequence[Trial], questions: str
) -> Standing | None:
    """How it ended when it was tried before; other questions are another trial."""
    if any(_is(each, version) for each in kept.entries):
        return Standing("served", "it served before, and was replaced or rolled back", verdict)
    if verdict is None:
        return None
    if verdict.state == "refused" and (verdict.release or verdict.questions == questions):
        return Standing("refused", verdict.why, verdict)
    trial = next((each for each in trials if each.name == verdict.release), None)
    if trial is not None:
        return Standing("lost", f"its release {trial.name} is {trial.state.replace('_', ' ')}: {trial.reason}", verdict)
    return None


def _is(deployed: Deployed, version: ModelVersion) -> bool:
    return (deployed.model, deployed.version) == (version.name, version.version)


def _told_alike(serving: Object, version: ModelVersion, quantization: str, file: str) -> bool:
    """What Helm installed has no version that was written down, but its engine was told one; of what is mounted it was not."""
    wanted = told_of(serving, version, quantization, file)
    return wanted.storage_uri is None and _weights(told_now(serving)) == _weights(wanted)


def _weights(told: Told) -> tuple[set[tuple[str, str]], set[str], str | None]:
    """However they are quantized at the load."""
    named = {(name, value) for name, value in told.env.items() if name not in ("QUANTIZE", "HF_HUB_OFFLINE")}
    return named, {each for each in told.args or () if each.startswith(("--model=", "--revision="))}, told.storage_uri
