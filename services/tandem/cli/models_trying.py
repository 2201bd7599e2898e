"""A version of a model, followed from the registry to its trial on people: deployed, measured, judged, remembered."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tandem.adapters.remote.releases import remote_releases
from tandem.adapters.sources.golden import read_golden
from tandem.app.clock import SystemClock
from tandem.app.models import RegisteredModel
from tandem.app.settings import Settings
from tandem.cli.console import err, run
from tandem.cli.models_cluster import now_text, tell_receipts
from tandem.cli.models_measure import Subject, earlier, failed, measure
from tandem.cli.models_watch import wait
from tandem.domain.errors import NotServed, ReleaseConflict, TandemError, UpstreamFailed, VersionConflict
from tandem.domain.model_version import ModelVersion
from tandem.pipeline.evaluation.run import Run, digest, set_hash
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.models.deploying import check, deploy
from tandem.platform.models.engine import engine_of
from tandem.platform.models.followed import Followed, Verdict, followed, remember
from tandem.platform.models.following import Standing, Trial, standing
from tandem.platform.models.gate import Rule, judge
from tandem.platform.models.kept import Deployed, Gate, candidate_version, kept_of
from tandem.platform.models.progress import look
from tandem.platform.models.services import find, remove
from tandem.platform.objects import name_of

# A model whose questions fail so often is at fault itself.
_TRIES = 3
_MOST_NAME = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    name: str
    release: str
    gateway: str | None
    api_key: str | None
    pool: str | None
    weight: float
    mode: str
    manual: bool
    again: bool
    take_over: bool
    timeout_s: float
    concurrency: int
    results: Path
    candidate_url: str | None
    serving_url: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How far the version has come. `state` is one of `platform/models/following.py`."""

    state: str
    why: str
    gate: Gate | None = None
    release: str = ""
    fails: bool = False


class Trying:
    """One model of one release, on one cluster."""

    def __init__(self, cluster: Cluster, settings: Settings, asked: Asked, golden: Path) -> None:
        self._cluster = cluster
        self._settings = settings
        self._asked = asked
        self._golden = golden
        self._questions = set_hash(read_golden(golden))
        self._found = find(cluster, asked.release)
        self._trials = self._releases()

    def stands(self, version: ModelVersion) -> Standing:
        """What is to be done about it."""
        serving, told = self._found.serving, self._told
        return standing(
            version, self._found, kept_of(serving), followed(self._cluster, serving), self._trials,
            questions=self._questions, pool=self._asked.pool, again=self._asked.again,
            quantization=told.quantization, file=told.file,
        )  # fmt: skip

    def act(self, version: ModelVersion, stands: Standing) -> Ended:
        """Do it."""
        if stands.state == "new":
            return self._tried(version, stands.verdict)
        if stands.verdict is not None and stands.state == "passed":
            return self._released(version, stands.verdict)
        if stands.verdict is not None and stands.state == "lost":
            self._refuse(version, replace(stands.verdict, why=stands.why))
            return Ended("refused", stands.why, stands.verdict.gate, stands.verdict.release, fails=True)
        known = stands.verdict
        if known is None:
            return Ended(stands.state, stands.why)
        return Ended(stands.state, stands.why, known.gate, known.release)

    @property
    def _told(self) -> RegisteredModel:
        return self._settings.models[self._asked.name]

    def _tried(self, version: ModelVersion, before: Verdict | None) -> Ended:
        tries = before.tries if before is not None and before.questions == self._questions else 0
        begun = Verdict(version.name, version.version, "begun", self._now_s(), self._questions, tries)
        if unchecked := check(self._cluster, self._found, version):
            err.print(f"Not checked: {unchecked}.", style="yellow", markup=False)
        self._remember(begun)
        deploy(
            self._cluster, self._found, version, quantization=self._told.quantization, file=self._told.file,
            now=now_text(), dry_run=False, take_over=self._asked.take_over,
        )  # fmt: skip
        tell_receipts(self._cluster, self._asked.release)
        if (crashed := self._waited(version)) is not None:
            return self._refused(version, begun, crashed, None)
        try:
            ours = run(self._asked_all(self._as_candidate(version), ""))
        except UpstreamFailed as error:
            return self._failed(version, begun, error)
        gate = self._judged(version, ours)
        if gate.refusals:
            return self._refused(version, begun, "; ".join(gate.refusals), gate)
        passed = replace(begun, state="passed", at=self._now_s(), gate=gate)
        self._remember(passed)
        return self._released(version, passed)

    def _failed(self, version: ModelVersion, begun: Verdict, error: UpstreamFailed) -> Ended:
        """Who fails tells nothing of its answers, but who always does is at fault. Raises `UpstreamFailed` until then."""
        if begun.tries + 1 >= _TRIES:
            return self._refused(version, begun, f"it failed in {_TRIES} runs: {error.message}", None)
        self._remember(replace(begun, tries=begun.tries + 1))
        raise UpstreamFailed(
            error.message, hint=f"It is asked again by the next run; after {_TRIES} such runs it is refused."
        ) from error

    def _waited(self, version: ModelVersion) -> str | None:
        """Why nothing comes of it. Raises `TandemError` where it only takes longer, or something else is wrong."""
        service = self._candidate
        try:
            wait(self._cluster, service, version.version, self._asked.timeout_s, version.weight_bytes)
        except TandemError as error:
            if self._hopeless(version):
                return error.message
            raise
        return None

    def _hopeless(self, version: ModelVersion) -> bool:
        try:
            return look(self._cluster, self._candidate, version.version).over
        except Refused:
            return False

    async def _asked_all(self, subject: Subject, otherwise: str) -> Run:
        """Raises `UpstreamFailed` when a question came to no answer."""
        asked = self._asked
        found = await measure(
            self._cluster, subject, self._settings, self._golden, asked.results, concurrency=asked.concurrency
        )
        if wrong := failed(found):
            raise UpstreamFailed(f"{wrong} questions to {subject.name}@{subject.version} failed{otherwise}.")
        return found

    def _judged(self, version: ModelVersion, ours: Run) -> Gate:
        """By what the serving model makes of the same questions, which is asked where that is not known."""
        rule, serving = self._told.gate, self._found.serving
        kept = kept_of(serving)
        current = kept.numbered(kept.current)
        runs, rival = [ours], current
        if current is not None:
            # What Helm installed has no version of the registry.
            rival = replace(current, version=current.version or f"installed-{digest(asdict(current.told))}")
            theirs = Subject(
                name_of(serving), current.model or "installed", rival.version, None, self._asked.serving_url,
                self._tells and bool(current.version),
            )  # fmt: skip
            known = earlier(theirs, ours, self._asked.results)
            otherwise = ", so that there is nothing to hold the candidate against"
            runs.append(known or run(self._asked_all(theirs, otherwise)))
        candidate = self._still(version)
        rules = Rule(rule.metric, rule.min_measure, rule.max_drop)
        return judge(candidate, rival, runs, rules, named=None, at=self._now_s())

    def _as_candidate(self, version: ModelVersion) -> Subject:
        asked = self._asked
        return Subject(self._candidate, version.name, version.version, asked.pool, asked.candidate_url, self._tells)

    @property
    def _tells(self) -> bool:
        return engine_of(self._found.serving) == "tgi"

    def _released(self, version: ModelVersion, passed: Verdict) -> Ended:
        """Begin to try it on people; where there are no releases it stays at the gate that it passed."""
        asked = self._asked
        if asked.gateway is None:
            return Ended("passed", f"promote it: tandem models promote {asked.name}", passed.gate)
        name = _free(f"{version.name}-{_short(version.version)}", [each.name for each in self._trials])
        # Before it is created, so that a run that is stopped in between leaves no release that nobody knows of.
        self._remember(replace(passed, release=name))
        try:
            run(self._create(name))
        except NotServed:
            self._remember(passed)
            return Ended("passed", f"this deployment has no releases: tandem models promote {asked.name}", passed.gate)
        except ReleaseConflict as error:
            return Ended("passed", f"its release waits: {error.message}", passed.gate)
        return Ended("trying", f"its release {name} is tried", passed.gate, name)

    async def _create(self, name: str) -> None:
        asked = self._asked
        body = {
            "name": name, "pools": [asked.pool], "weight": asked.weight, "mode": asked.mode,
            "policy": {"automatic": not asked.manual},
        }  # fmt: skip
        async with remote_releases(asked.gateway or "", api_key=asked.api_key) as releases:
            await releases.create(body)

    def _releases(self) -> tuple[Trial, ...]:
        url = self._asked.gateway
        if url is None:
            return ()

        async def all_of_them() -> dict[str, Any]:
            async with remote_releases(url, api_key=self._asked.api_key) as releases:
                return await releases.all()

        try:
            told = run(all_of_them())
        except NotServed:
            return ()
        return tuple(Trial(each["name"], each["state"], tuple(each["pools"]), each["reason"]) for each in told["data"])

    def _refused(self, version: ModelVersion, verdict: Verdict, why: str, gate: Gate | None) -> Ended:
        self._refuse(version, replace(verdict, why=why, gate=gate))
        return Ended("refused", why, gate, fails=True)

    def _refuse(self, version: ModelVersion, verdict: Verdict) -> None:
        """Remembered first: a run that is stopped in between must not try it again."""
        self._remember(replace(verdict, state="refused", at=self._now_s()))
        candidate = find(self._cluster, self._asked.release).candidate
        if candidate is not None and candidate_version(candidate).version == version.version:
            remove(self._cluster, candidate)

    def _remember(self, verdict: Verdict) -> None:
        def change(known: Followed) -> Followed:
            return known.put(verdict)

        remember(self._cluster, self._found.serving, change)

    def _still(self, version: ModelVersion) -> Deployed:
        """The candidate, if it is this version all the same. Raises `VersionConflict`."""
        candidate = find(self._cluster, self._asked.release).candidate
        if candidate is None or candidate_version(candidate).version != version.version:
            raise VersionConflict(
                f"{self._candidate} was replaced or removed while it was measured.", hint="Run this again."
            )
        return candidate_version(candidate)

    @property
    def _candidate(self) -> str:
        return f"{name_of(self._found.serving)}-candidate"

    def _now_s(self) -> float:
        return SystemClock().epoch_s()


def _short(version: str) -> str:
    return version.removeprefix("sha256:")[:12]


def _free(wanted: str, taken: Sequence[str]) -> str:
    """A release's name is never used twice."""
    name = re.sub(r"[^a-z0-9._-]", "-", wanted.lower())[:_MOST_NAME]
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in names if each not in taken)
