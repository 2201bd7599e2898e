import pytest

from fakes.kubernetes_objects import IMAGE, JUST_NOW, ended, event, facts, one, pod, running, thing, waiting
from tandem.platform.facts import Presence, Seen
from tandem.platform.rules.crashes import crashes
from tandem.platform.rules.images import images
from tandem.platform.rules.readiness import readiness
from tandem.platform.rules.rollout import rollout
from tandem.platform.rules.secrets import secrets

TYPO = (
    "error: The configuration is not valid: retrieval.topk: unknown key\nhint: tandem config schema lists every key.\n"
)


def crashing(log: str, code: int = 1, reason: str = "Error") -> list[str]:
    failing = pod(containers=[waiting("CrashLoopBackOff", restartCount=4, lastState=ended(code, reason))])
    finding = one(crashes(facts(failing, logs={("tandem-gateway-1", "gateway"): log})))
    return [finding.rule, finding.problem, finding.fix]


def test_a_typo_in_the_configuration_is_shown_as_tandem_says_it() -> None:
    rule, problem, fix = crashing(TYPO)
    assert rule == "crash"
    assert problem.endswith("exit code 1; it said: The configuration is not valid: retrieval.topk: unknown key")
    assert fix == "tandem config schema lists every key."


def test_an_error_over_several_lines_is_told_in_one() -> None:
    _, problem, _ = crashing("INFO start\nerror: two things:\n  a is wrong\n  b is wrong\nhint: mend them\n")
    assert problem.endswith("it said: two things: a is wrong b is wrong")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            '{"level":"INFO","fields":{"message":"Args"}}\n{"level":"ERROR","fields":{"message":"No GPU"}}\n{"level":"INFO"}\n',
            "No GPU",
        ),
        ("starting\nValueError: no such model\n", "ValueError: no such model"),
        ('{"level":"info","event":"done"}\n', "done"),
        ("", "(nothing)"),
    ],
)
def test_the_last_words_of_engines(log: str, words: str) -> None:
    assert crashing(log)[1].endswith(f"it said: {words}")


def test_a_container_killed_for_memory_is_not_a_crash() -> None:
    rule, problem, fix = crashing("", 137, "OOMKilled")
    assert (rule, "exit code 137" in problem) == ("out-of-memory", True)
    assert "gateway.resources.limits.memory" in fix


def test_a_container_killed_by_its_startup_probe() -> None:
    failing = pod(containers=[waiting("CrashLoopBackOff", restartCount=1, lastState=ended(137))])
    killed = event(failing, "Killing", "Container gateway failed startup probe, will be restarted")
    assert "startup probe failed" in one(crashes(facts(failing, killed))).problem
    willing = pod(containers=[running(restarts=1, lastState=ended(0, "Completed"))])
    assert one(crashes(facts(willing, killed))).rule == "probe-failed"


def test_a_container_that_waits_for_its_image_has_not_crashed() -> None:
    waits = pod(containers=[waiting("ErrImagePull", lastState=ended(1))])
    assert list(crashes(facts(waits))) == []
    assert f"the image {IMAGE} cannot" in one(images(facts(waits))).problem


def test_a_container_that_came_back_is_well() -> None:
    back = pod(ready=True, containers=[running(ready=True, restarts=1, lastState=ended(1))])
    assert list(crashes(facts(back))) == []


def test_a_finished_init_container_is_well() -> None:
    done = pod(
        containers=[waiting("PodInitializing") | {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]
    )
    assert list(crashes(facts(done))) == []


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ('rpc error: code = NotFound desc = failed to resolve reference "registry.example/tandem:1": not found', "tag"),
        ("failed to authorize: 401 Unauthorized", "imagePullSecrets"),
        ("dial tcp: lookup registry.example: no such host", "cannot reach the registry"),
        ("toomanyrequests: You have reached your pull rate limit", "limits pulls"),
    ],
)
def test_an_image_that_cannot_be_pulled_is_told_with_the_registrys_reason(said: str, fix: str) -> None:
    failing = pod(phase="Pending", containers=[waiting("ImagePullBackOff", "Back-off pulling image")])
    pulled = event(failing, "Failed", f'Failed to pull image "{IMAGE}": {said}')
    backoff = event(failing, "Failed", "Error: ImagePullBackOff", JUST_NOW)
    finding = one(images(facts(failing, pulled, backoff)))
    assert said.rpartition(": ")[2] in finding.problem
    assert "failed to" not in finding.problem.lower() or "authorize" in finding.problem
    assert fix in finding.fix


def test_an_image_without_events_is_told_in_the_kubelets_words() -> None:
    failing = pod(containers=[waiting("InvalidImageName", "couldn't parse image reference")])
    assert "couldn't parse" in one(images(facts(failing))).problem


def test_a_missing_secret_is_named_once_for_all_its_pods() -> None:
    spec = {"volumes": [{"name": "keys", "secret": {"secretName": "keys", "items": [{"key": "keys.yaml"}]}}]}
    two = pod(spec=spec), pod("tandem-gateway-2", spec=spec)
    finding = one(secrets(facts(*two, secrets={"keys": Presence.missing})))
    assert finding.subject == "secret/keys"
    assert "kubectl create secret generic keys -n prod --from-literal=keys.yaml=…" in finding.fix


def test_a_secret_that_may_not_be_read_is_not_called_missing() -> None:
    spec = {"imagePullSecrets": [{"name": "other"}], "containers": [{"envFrom": [{"secretRef": {"name": "keys"}}]}]}
    assert list(secrets(facts(pod(spec=spec), secrets={"keys": Presence.unknown}))) == []
    assert one(secrets(facts(pod(spec=spec), secrets={"keys": Presence.missing}))).component == "gateway"


def test_an_optional_secret_is_not_missed() -> None:
    reference = {"name": "hub", "key": "token", "optional": True}
    spec = {"containers": [{"name": "gateway", "env": [{"name": "X", "valueFrom": {"secretKeyRef": reference}}]}]}
    assert list(secrets(facts(pod(spec=spec), secrets={"hub": Presence.missing}))) == []


def test_a_missing_key_of_a_variable() -> None:
    said = "couldn't find key hub in Secret prod/models"
    failing = pod(phase="Pending", containers=[waiting("CreateContainerConfigError", said)])
    finding = one(secrets(facts(failing, secrets={"models": Presence.present})))
    assert (finding.subject, "no key 'hub'" in finding.problem) == ("secret/models", True)


def test_a_missing_key_of_a_volume_names_the_secret_behind_it() -> None:
    volumes = [{"name": "keys", "secret": {"secretName": "access", "items": [{"key": "keys.yaml", "path": "k"}]}}]
    failing = pod(phase="Pending", spec={"volumes": volumes}, containers=[waiting("ContainerCreating")])
    said = event(
        failing,
        "FailedMount",
        'MountVolume.SetUp failed for volume "keys" : references non-existent secret key: keys.yaml',
    )
    finding = one(secrets(facts(failing, said)))
    assert (finding.rule, finding.subject) == ("secret-key-missing", "secret/access")


def test_a_pod_that_runs_and_is_not_ready_tells_its_stage_and_probe() -> None:
    slow = pod(containers=[running()])
    probe = event(slow, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    seen = {"tandem-gateway-1": Seen("starting", "")}
    finding = one(readiness(facts(slow, probe, seen=seen, logs={("tandem-gateway-1", "gateway"): "loading\n"})))
    assert "/readyz says starting" in finding.problem
    assert "statuscode: 503" in finding.problem
    assert "it says: loading" in finding.problem


@pytest.mark.parametrize(
    "one_pod", [pod(ready=True, containers=[running(ready=True)]), pod(containers=[running(since=JUST_NOW)])]
)
def test_a_pod_that_is_ready_or_has_only_begun_is_well(one_pod: dict[str, object]) -> None:
    assert list(readiness(facts(one_pod))) == []


def test_a_quota_that_keeps_pods_from_being_made() -> None:
    said = 'pods "tandem-gateway-7" is forbidden: exceeded quota: small, requested: cpu=1'
    status = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": said}]}
    finding = one(rollout(facts(thing("Deployment", "tandem-gateway", status=status))))
    assert (finding.subject, "ResourceQuota" in finding.fix) == ("deployment/tandem-gateway", True)


def test_pod_security_that_refuses_the_pods_of_a_statefulset() -> None:
    workload = thing("StatefulSet", "tandem-retriever", "retriever", spec={"replicas": 1}, status={"replicas": 0})
    said = event(workload, "FailedCreate", 'create Pod failed: violates PodSecurity "restricted:latest": runAsNonRoot')
    finding = one(rollout(facts(workload, said)))
    assert "retriever's values" in finding.fix
    done = thing("StatefulSet", "tandem-retriever", "retriever", spec={"replicas": 1}, status={"replicas": 1})
    assert list(rollout(facts(done, said))) == []
