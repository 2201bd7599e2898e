"""`tandem models follow` against a real API server, real predictors and real gateways; the test is KServe's controllers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from component import test_models_command as registry
from component.deployments import Process, start, stop
from component.test_models_command import Done, Place, environment
from fakes.revised_predictor import FAULT, predictors
from tandem.cli.main import main
from tandem.cli.models import resolved
from tandem.platform.models import deploying
from tandem.platform.models.followed import followed
from tandem.platform.models.kept import kept_of
from tandem.platform.models.services import find

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
# Fixtures.
server, hub, place = registry.server, registry.hub, registry.place
TUNED, OLDER = registry.TUNED, "e" * 40
DOCUMENT = "# Hives\n\nThe beekeeper looks into the hives every ninth day.\n\nHoney is spun in July.\n"
GOLDEN = '{"question": "How often does the beekeeper look into the hives?", "document_ids": ["hives.md"]}\n'
NONSENSE = "The moon is made of green cheese, and nobody has ever denied it."


@dataclass(frozen=True, slots=True)
class Registry:
    """A place whose candidate, and whose serving model, answer at these URLs."""

    place: Place
    good: str
    mad: str
    serving: str
    broken: str

    def follow(self, candidate: str, *more: str) -> Done:
        urls = ["--candidate-url", candidate, "--serving-url", self.serving]
        return self.place.tandem("follow", "quantized", *urls, *more, "-o", "json")

    def ready(self, version: str = TUNED) -> None:
        """As KServe, the scheduler and the kubelet make the candidate. It is there before it is waited for."""
        registry.pod(self.place, version, phase="Running", conditions=[{"type": "Ready", "status": "True"}])

    def remembered(self) -> list[tuple[str, str]]:
        found = followed(self.place.cluster, find(self.place.cluster, "tandem").serving)
        return [(each.version, each.state) for each in found.verdicts]


@pytest.fixture(scope="module")
def models() -> Iterator[list[str]]:
    with predictors((TUNED, ""), (TUNED, NONSENSE), ("f" * 40, ""), (TUNED, FAULT)) as urls:
        yield urls


@pytest.fixture
def followable(place: Place, models: list[str], monkeypatch: pytest.MonkeyPatch) -> Registry:
    """With documents to answer from, and a KServe that is quick."""
    (place.folder / "hives.md").write_text(DOCUMENT)
    (place.folder / "golden.jsonl").write_text(GOLDEN)
    told = place.folder / "tandem.yaml"
    told.write_text(f"data_dir: {place.folder}/data\n{told.read_text()}")
    ingested = _command(place, "ingest", str(place.folder / "hives.md"), "--config", str(told))
    assert ingested == 0
    apply = deploying.deploy

    def deployed(*args: Any, **named: Any) -> Any:
        written = apply(*args, **named)
        place.status("tandem-candidate")
        return written

    monkeypatch.setattr("tandem.cli.models_trying.deploy", deployed)
    return Registry(place, *models)


def _command(place: Place, *words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["tandem", *words])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def told(done: Done) -> dict[str, Any]:
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_version_that_passes_stays_at_its_gate_and_is_measured_once(followable: Registry) -> None:
    followable.ready()
    first = followable.follow(followable.good)
    assert first.returncode == 0, first.stderr
    found = told(first)
    assert (found["model"], found["version"], found["state"]) == ("quantized", TUNED, "passed")
    assert found["gate"]["measure"] >= 0.5 and found["gate"]["serving_measure"] is not None
    assert followable.place.names() == ["tandem", "tandem-candidate"]
    generation = followable.place.service("tandem-candidate")["metadata"]["generation"]
    again = followable.follow("http://127.0.0.1:9")
    assert (again.returncode, told(again)["state"]) == (0, "passed"), again.stderr
    assert followable.place.service("tandem-candidate")["metadata"]["generation"] == generation
    # Who looked at it and took it away does not get it back.
    followable.place.api.delete_namespaced_custom_object(*followable.place._where, "tandem-candidate")
    gone = followable.follow(followable.good)
    assert (gone.returncode, told(gone)["state"]) == (0, "removed")


def test_one_that_answers_badly_goes_and_is_remembered(followable: Registry) -> None:
    followable.ready()
    serving = followable.place.service()
    refused = followable.follow(followable.mad)
    assert (refused.returncode, told(refused)["state"]) == (1, "refused"), refused.stderr
    assert "groundedness is" in told(refused)["why"]
    assert followable.place.names() == ["tandem"]
    assert followable.remembered() == [(TUNED, "refused")]
    # Its pods would be replaced.
    assert followable.place.service()["metadata"]["annotations"] == serving["metadata"]["annotations"]
    again = followable.follow(followable.good)
    assert (again.returncode, told(again)["state"]) == (0, "refused")
    assert followable.place.names() == ["tandem"]
    # Other golden questions are another trial.
    golden = followable.place.folder / "golden.jsonl"
    golden.write_text(golden.read_text() + '{"question": "When is honey spun?", "document_ids": ["hives.md"]}\n')
    assert told(followable.follow(followable.good))["state"] == "passed"


def test_a_dry_run_does_nothing(followable: Registry) -> None:
    done = followable.follow(followable.good, "--dry-run")
    assert (done.returncode, told(done)["state"]) == (0, "new")
    assert followable.place.names() == ["tandem"] and followable.remembered() == []


def test_one_that_crashes_is_refused_with_its_last_words(followable: Registry) -> None:
    waiting = registry.running(waiting={"reason": "CrashLoopBackOff"}, restarts=4)
    registry.pod(
        followable.place, TUNED, conditions=[{"type": "PodScheduled", "status": "True"}], containerStatuses=waiting
    )
    done = followable.follow(followable.good)
    assert (done.returncode, told(done)["state"]) == (1, "refused"), done.stderr
    assert "ended at load: ended 4 times" in told(done)["why"]
    assert followable.place.names() == ["tandem"]


def test_what_has_come_meanwhile_is_next(followable: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    place = followable.place
    waiting = registry.running(waiting={"reason": "CrashLoopBackOff"}, restarts=4)
    scheduled = [{"type": "PodScheduled", "status": "True"}]
    registry.pod(place, OLDER, conditions=scheduled, containerStatuses=waiting)
    looks = []

    def moved(*asked: Any) -> Any:
        looks.append(asked)
        if len(looks) == 1:
            return replace(resolved(*asked), version=OLDER)
        place.core.patch_namespaced_pod(
            "pod", place.cluster.namespace, {"metadata": {"annotations": {"tandem.dev/model-version": TUNED}}}
        )
        followable.ready()
        return resolved(*asked)

    monkeypatch.setattr("tandem.cli.models_follow.resolved", moved)
    done = followable.follow(followable.good)
    # Of both, one was refused.
    assert (done.returncode, told(done)["version"], told(done)["state"]) == (1, TUNED, "passed"), done.stderr
    assert f"quantized@{OLDER}: refused, tandem-candidate ended at load" in done.stderr
    assert followable.remembered() == [(OLDER, "refused"), (TUNED, "passed")]
    assert len(looks) == 3, "after the last one it was looked, too"
    assert told(followable.follow(followable.good))["state"] == "passed"


def test_a_server_that_fails_is_no_verdict_until_it_always_does(followable: Registry) -> None:
    followable.ready()
    for _ in range(2):
        done = followable.follow(followable.broken)
        assert done.returncode == 1 and done.stdout == ""
        assert "the weights are broken" in done.stderr and "after 3 such runs it is refused" in done.stderr
        assert followable.place.names() == ["tandem", "tandem-candidate"]
    last = followable.follow(followable.broken)
    assert (last.returncode, told(last)["state"]) == (1, "refused")
    assert followable.place.names() == ["tandem"]


def test_one_that_cannot_be_reached_is_no_verdict(followable: Registry) -> None:
    followable.ready()
    done = followable.follow("http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "") and "cannot be reached" in done.stderr
    assert followable.remembered() == [(TUNED, "begun")]


def test_another_version_at_the_address_is_told(followable: Registry) -> None:
    followable.ready()
    done = followable.follow(followable.serving)
    assert done.returncode == 1 and "not as quantized@" in done.stderr
    assert followable.remembered() == [(TUNED, "begun")]


def test_what_serves_or_stands_in_the_way_is_left_alone(followable: Registry) -> None:
    assert followable.place.tandem("deploy", "other", "--timeout", "0").returncode == 0
    busy = followable.follow(followable.good)
    assert (busy.returncode, told(busy)["state"]) == (0, "busy")
    assert "other@" in told(busy)["why"]
    env = environment(followable.place.service())
    followable.place.api.delete_namespaced_custom_object(*followable.place._where, "tandem-candidate")
    patch = [
        {"name": name, "value": value} for name, value in (env | {"MODEL_ID": "org/tuned", "REVISION": TUNED}).items()
    ]
    followable.place.helm({"spec": {"predictor": {"model": {"env": patch}}}})
    assert told(followable.follow(followable.good))["state"] == "serving"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["other", "--url", "http://127.0.0.1:9"], "takes both a gateway and the pool"),
        (["gated"], "Nothing says what gated is measured by"),
        (["none"], "There is no model none"),
        (["quantized", "--url", "http://127.0.0.1:9", "--pool", "next"], "No Tandem answers at"),
    ],
)
def test_what_cannot_be_followed_is_a_line_and_a_hint(place: Place, words: list[str], said: str) -> None:
    done = place.tandem("follow", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr and len(done.stderr.splitlines()) == 2, done.stderr


@pytest.fixture
def gateway(followable: Registry, tmp_path: Path) -> Iterator[Process]:
    """Its pool `next` leads to the candidate."""
    pools = [
        {"name": "main", "endpoints": [{"url": followable.serving}]},
        {"name": "next", "endpoints": [{"url": followable.good}], "answers": False},
    ]
    running = start("all", tmp_path / "gateway", {"TANDEM_POOLS": json.dumps(pools)})
    yield running
    stop(running)


def test_the_canary_begins_and_its_end_is_taken_up(followable: Registry, gateway: Process) -> None:
    from component.test_releases import call, tandem

    followable.ready()
    place = followable.place
    at = ["--url", gateway.url, "--pool", "next", "--weight", "0.2"]
    begun = told(followable.follow(followable.good, *at))
    assert (begun["state"], begun["release"]) == ("trying", f"quantized-{TUNED[:12]}")
    status = json.loads(tandem(gateway, "status", "-o", "json").stdout)
    assert (status["name"], status["pools"], status["weight"]) == (begun["release"], ["next"], 0.2)
    going_on = followable.follow(followable.good, *at)
    assert (going_on.returncode, told(going_on)["state"]) == (0, "trying")
    # A newer one waits: people are answered by the candidate.
    newer = json.loads(place.tandem("follow", "other", *at, "-o", "json").stdout)
    assert newer["state"] == "busy" and begun["release"] in newer["why"]
    assert call(gateway, f"/v1/releases/{begun['release']}/rollback", {"reason": "worse"})[0] == 200
    lost = followable.follow(followable.good, *at)
    assert (lost.returncode, told(lost)["state"]) == (1, "refused"), lost.stderr
    assert "is rolled back: worse" in told(lost)["why"]
    assert place.names() == ["tandem"]
    assert told(followable.follow(followable.good, *at))["state"] == "refused"


@dataclass(frozen=True, slots=True)
class Winning:
    """A candidate whose release serves everybody."""

    followable: Registry
    gateway: Process
    release: str

    def promote(self, *more: str) -> Done:
        words = ["--url", self.gateway.url, "--take-over", "--timeout", "3", *more]
        return self.followable.place.tandem("promote", "quantized", *words)

    def tell(self, how: str, **body: Any) -> None:
        from component.test_releases import call

        status, told = call(self.gateway, f"/v1/releases{how}", body)
        assert status == 200, told

    def states(self) -> dict[str, str]:
        from component.test_releases import tandem

        told = json.loads(tandem(self.gateway, "list", "-o", "json").stdout)["data"]
        return {each["name"]: each["state"] for each in told}

    def serve(self) -> None:
        """As KServe brings the predictor's new pods up."""
        place = self.followable.place
        labels, notes = {"serving.kserve.io/inferenceservice": "tandem"}, {"tandem.dev/model-version": TUNED}
        spec = {"containers": [{"name": "kserve-container", "image": "x"}], "automountServiceAccountToken": False}
        pod = {"metadata": {"name": "served", "labels": labels, "annotations": notes}, "spec": spec}
        place.core.create_namespaced_pod(place.cluster.namespace, pod)
        ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        place.core.patch_namespaced_pod_status("served", place.cluster.namespace, ready)
        place.status("tandem")


@pytest.fixture
def winning(followable: Registry, gateway: Process) -> Winning:
    followable.ready()
    begun = told(followable.follow(followable.good, "--url", gateway.url, "--pool", "next"))
    found = Winning(followable, gateway, begun["release"])
    early = found.promote()
    assert (early.returncode, "is trying, it does not serve" in early.stderr) == (1, True), early.stderr
    found.tell(f"/{found.release}/promote", force="the fair is on")
    return found


def test_a_release_that_has_won_moves_into_the_predictor(winning: Winning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.cli.models_won._LEARNT_S", 0.0)
    place, at = winning.followable.place, ["--url", winning.gateway.url, "--pool", "next"]
    standing = told(winning.followable.follow(winning.followable.good, *at))
    assert (standing["state"], "tandem models promote quantized --url" in standing["why"]) == ("released", True)
    assert winning.promote("--dry-run").returncode == 0
    # Until the predictor is ready people are answered by the candidate.
    late = winning.promote()
    assert (late.returncode, "is not ready after 3 s" in late.stderr) == (1, True), late.stderr
    assert (winning.states(), place.names()) == ({winning.release: "serving"}, ["tandem", "tandem-candidate"])
    winning.serve()
    done = winning.promote()
    assert (done.returncode, done.stdout) == (0, f"quantized@{TUNED} serves now.\n"), done.stderr
    assert (winning.states(), place.names()) == ({winning.release: "rolled_back"}, ["tandem"])
    assert [each.name for each in kept_of(place.service()).entries] == ["what Helm installed", f"quantized@{TUNED}"]
    after = told(winning.followable.follow(winning.followable.good, *at))
    assert (after["state"], after["why"]) == ("serving", "it serves already")


def test_what_answers_people_or_would_end_with_it_stays(winning: Winning) -> None:
    place = winning.followable.place
    winning.tell("", name="words", prompt="answer@1")
    held = winning.promote()
    assert (held.returncode, "words is tried against" in held.stderr) == (1, True), held.stderr
    assert "Pass a --timeout above 0" in winning.promote("--timeout", "0").stderr
    assert kept_of(place.service()).current == 0
    alone = place.tandem("promote", "quantized", "--force", "now", "--take-over", "--timeout", "0")
    assert (alone.returncode, f"the release {winning.release} may answer from it" in alone.stderr) == (0, True)
    other = place.tandem("deploy", "other", "--dry-run")
    assert (other.returncode, f"the release {winning.release} may answer from it" in other.stderr) == (0, True)
    assert place.names() == ["tandem", "tandem-candidate"]
    assert winning.states() == {winning.release: "serving", "words": "trying"}


def test_the_rights_that_the_chart_gives_are_enough(followable: Registry) -> None:
    """Made out of what the chart renders, for somebody who has none besides."""
    place = followable.place
    chart = rendered_chart()
    with client.ApiClient(place.api.api_client.configuration) as api:
        rbac: Any = client.RbacAuthorizationV1Api(api)
        where = place.cluster.namespace
        rbac.create_namespaced_role(where, {"metadata": {"name": "follow"}, "rules": chart["Role"]["rules"]})
        subject = {"kind": "User", "name": "other", "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "Role", "name": "follow", "apiGroup": "rbac.authorization.k8s.io"}
        rbac.create_namespaced_role_binding(
            where, {"metadata": {"name": "follow"}, "roleRef": role, "subjects": [subject]}
        )
    place.core.create_namespaced_config_map(
        where, {"metadata": {"name": "tandem-followed"}, "data": {}}, field_manager="helm"
    )
    followable.ready()
    words = ["--candidate-url", followable.mad, "--serving-url", followable.serving, "-o", "json"]
    refused = place.tandem("follow", "quantized", *words, context="powerless")
    assert told(refused)["state"] == "refused", refused.stderr
    assert "Receipts will not tell" not in refused.stderr
    assert place.names() == ["tandem"] and followable.remembered() == [(TUNED, "refused")]
    promoting = place.tandem("promote", "quantized", "--force", "x", context="powerless")
    assert promoting.returncode == 1


def rendered_chart() -> dict[str, Any]:
    from charts.rendering import CHART, objects

    found = objects(CHART / "ci/followed-values.yaml")
    return {each["kind"]: each for each in found if each["metadata"]["name"] == "tandem-follow"}
