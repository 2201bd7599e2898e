"""`tandem doctor` as a user runs it, against an API server that repeats what a real cluster answered."""

import json
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from charts.programs import program
from charts.rendering import CHART
from fakes.kubernetes_api import Recording, Reply, api_server, kubeconfig
from tandem.domain.errors import ConfigurationError
from tandem.platform.cluster import opened
from tandem.platform.doctor import Look, diagnose
from tandem.platform.findings import Finding, Severity
from tandem.platform.planned import Planned
from tandem.platform.probing import probe

TANDEM = Path(sys.executable).with_name("tandem")
CLUSTERS = Path(__file__).parent / "recorded_clusters"
DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
FORBIDDEN = Reply(403, {"kind": "Status", "message": "nodes is forbidden"})


def doctor(file: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TANDEM, "doctor", "--kubeconfig", file, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def told(folder: Path, recording: Recording, release: str, namespace: str = "g-doctor") -> list[Finding]:
    """The problems, by a client and a server that are real, on the day of the recording."""
    recorded_s = parsedate_to_datetime(recording.date).timestamp()
    with api_server(recording) as url, opened(kubeconfig(folder, url, namespace=namespace), "test", None) as cluster:
        assert (cluster.address, cluster.namespace) == (url, namespace)
        return [
            finding
            for finding in diagnose(cluster, release, Look(lambda: recorded_s))
            if finding.severity is Severity.problem
        ]


@pytest.mark.parametrize(
    ("recorded", "release", "rule", "problem", "fix"),
    [
        ("missing_secret", "secret", "secret-missing", "no Secret 'qdrant-key'", "--from-literal=api-key=…"),
        ("unpullable_image", "image", "image-pull", "registry.invalid/tandem:9.9 cannot be pulled", "mirror the image"),
        ("no_gpu_node", "gpu", "unschedulable", "no node has the label tandem.dev/pool=gpu-a10g", "kubectl label node"),
        ("unknown_model", "model", "crash", "There is no model '/models/none.gguf'", "Give extractive"),
        ("out_of_memory", "memory", "out-of-memory", "OOMKilled, exit code 137", "predictor.resources.limits.memory"),
        ("no_storage_class", "volume", "claim-pending", "no StorageClass 'fast'", "storageClass"),
        ("too_little_cpu", "cpu", "unschedulable", "it asks for cpu: 3, and the largest node", "gateway.resources"),
        ("no_qdrant", "slow", "peer-missing", "namespace 'qdrant' has no Service 'qdrant'", "config.vectors.url"),
        ("never_ready", "never", "not-ready", "Startup probe failed: Get", "predictor.startupSeconds"),
        ("config_typo", "typo", "crash", "server.drain_dely_s: Extra inputs", "tandem config schema"),
    ],
)
def test_one_fault_is_told_once_and_nothing_that_follows_from_it(
    tmp_path: Path, recorded: str, release: str, rule: str, problem: str, fix: str
) -> None:
    (found,) = told(tmp_path, Recording.read(CLUSTERS / f"{recorded}.json"), release)
    assert found.rule == rule
    assert problem in found.problem
    assert fix in found.fix
    assert "\n" not in found.problem + found.fix


def test_a_quota_and_autoscaling_without_metrics(tmp_path: Path) -> None:
    quota = told(tmp_path, Recording.read(CLUSTERS / "quota.json"), "quota", "g-quota")
    assert [each.rule for each in quota] == ["pods-refused", "pods-refused"]
    assert {each.subject for each in quota} == {"deployment/quota-predictor", "statefulset/quota-retriever"}
    metrics = told(tmp_path, Recording.read(CLUSTERS / "no_metrics.json"), "scaling")
    assert [each.subject for each in metrics] == ["scaledobject/scaling-predictor", "hpa/scaling-gateway"]
    assert "no such host" in metrics[0].problem


def test_an_api_that_was_taken_away(tmp_path: Path) -> None:
    recording = Recording.read(CLUSTERS / "no_qdrant.json").without("serving.kserve.io")
    missing, *others = told(tmp_path, recording, "slow")
    assert (missing.subject, "install KServe" in missing.fix) == ("api/serving.kserve.io", True)
    assert "api-missing" not in {each.rule for each in others}


def test_without_the_right_to_read_nodes_the_scheduler_tells(tmp_path: Path) -> None:
    recording = Recording.read(CLUSTERS / "no_gpu_node.json").with_reply("/api/v1/nodes", FORBIDDEN)
    (found,) = told(tmp_path, recording, "gpu")
    assert "didn't match Pod's node affinity/selector" in found.problem


def test_programs_get_json(tmp_path: Path) -> None:
    with api_server(Recording.read(CLUSTERS / "no_gpu_node.json")) as url:
        done = doctor(kubeconfig(tmp_path, url, namespace="g-doctor"), "--release", "gpu", "-o", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["release"], found["namespace"], found["server"]) == (1, "gpu", "g-doctor", url)
    clock, finding = [each for each in found["findings"] if each["severity"] == "problem"]
    # The recording is old.
    assert clock["rule"] == "clock"
    assert finding.keys() == {"rule", "subject", "problem", "fix", "component", "severity", "alike"}


def test_people_get_one_line_for_each_finding(tmp_path: Path) -> None:
    with api_server(Recording.read(CLUSTERS / "config_typo.json")) as url:
        done = doctor(kubeconfig(tmp_path, url), "-r", "typo", "-n", "g-doctor", "--context", "test")
    clock, line = done.stdout.splitlines()
    assert clock.startswith("problem cluster: the API server's clock is ")
    assert line.startswith("problem pod/typo-gateway-")
    assert " (and 2 more): container tandem" in line
    assert line.endswith("Fix: `tandem config schema` lists every key.")
    assert done.stderr == "typo in g-doctor of context test: 2 problems, 0 notes\n"


def test_a_release_that_is_not_there(tmp_path: Path) -> None:
    (found,) = told(tmp_path, Recording(DATE, {"/version": Reply(200, {}), "/apis": Reply(200, {})}), "none")
    assert found.rule == "release-missing"


def said(file: Path) -> str:
    with opened(file, None, None) as cluster:
        (finding,) = diagnose(cluster, "tandem", Look(time.time))
    assert finding.fix
    return finding.problem


def test_a_cluster_that_cannot_be_reached_or_does_not_know_us(tmp_path: Path) -> None:
    assert said(kubeconfig(tmp_path, "http://127.0.0.1:9")).startswith("No Kubernetes API server answers at http://127")
    with api_server(Recording("", {})) as url:
        assert said(kubeconfig(tmp_path, url, token="other")).endswith("does not accept this context's credentials.")
        assert said(kubeconfig(tmp_path, url)) == "nothing at /version"
    for date, apis in ((DATE, "<html>"), ("", {})):
        other = Recording(date, {"/version": Reply(200, {}), "/apis": Reply(200, apis)})
        with api_server(other) as url:
            assert said(kubeconfig(tmp_path, url)).endswith("not as a Kubernetes API server does.")


@pytest.mark.parametrize("content", ["", "a: [", "just text", "contexts: 3", "apiVersion: v1"])
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as told, opened(file, None, None):
        pass
    assert told.value.hint
    assert "\n" not in told.value.message


def test_without_the_kubernetes_client(tmp_path: Path) -> None:
    start = "import sys; sys.modules['kubernetes'] = None; sys.argv[1:] = ['doctor']; from tandem.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "hint: pip install 'tandem-rag[platform]'"


def test_a_context_that_is_not_there_and_an_option_that_is_not_there(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, "http://127.0.0.1:9")
    assert "kubectl config get-contexts" in doctor(file, "--context", "other").stderr
    assert doctor(file, "--nope").returncode == 2


def test_values_are_looked_at_before_anything_is_installed(tmp_path: Path) -> None:
    program("helm")
    values = tmp_path / "own.yaml"
    values.write_text("existingSecrets: {keysFile: {name: keys}, retriever: {name: own}}")
    chart = str(CHART)
    with api_server(Recording.read(CLUSTERS / "no_gpu_node.json")) as url:
        file = kubeconfig(tmp_path, url, namespace="g-doctor")
        done = doctor(
            file, "-r", "new", "--chart", chart, "-f", CHART / "values-8b-a10g.yaml", "-f", values, "-o", "json"
        )
    found = {each["rule"]: each for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert "tandem.dev/" in found["unschedulable"]["problem"]
    assert found["secret-missing"]["alike"] == []
    assert "release-missing" not in found


@pytest.mark.parametrize(
    ("planned", "rule", "said"),
    [
        (Planned({}, {}, {}, refused="gateway.replicas: no number"), "values-refused", "gateway.replicas: no number"),
        (Planned({}, {}, {}, whole=False), "no-helm", "nothing was tried"),
    ],
)
def test_values_that_make_no_pods_are_told_and_not_tried(
    tmp_path: Path, planned: Planned, rule: str, said: str
) -> None:
    with (
        api_server(Recording.read(CLUSTERS / "no_gpu_node.json")) as url,
        opened(kubeconfig(tmp_path, url), None, None) as cluster,
    ):
        found = {each.rule: each for each in diagnose(cluster, "new", Look(time.time, lambda _: planned, probe))}
    assert said in found[rule].problem


def test_a_values_file_that_is_not_there_is_no_finding(tmp_path: Path) -> None:
    with api_server(Recording.read(CLUSTERS / "no_gpu_node.json")) as url:
        done = doctor(kubeconfig(tmp_path, url), "-f", tmp_path / "absent.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert "absent.yaml cannot be read: No such file or directory." in done.stderr


def test_pods_are_made_in_no_cluster_that_nobody_has_named(tmp_path: Path) -> None:
    with api_server(Recording.read(CLUSTERS / "no_gpu_node.json")) as url:
        done = doctor(kubeconfig(tmp_path, url), "-r", "gpu", "--probe")
    assert (done.returncode, done.stdout) == (1, "")
    assert "make short-lived pods in context test (http://127.0.0.1:" in done.stderr
    assert "--context test" in done.stderr


def debug(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TANDEM, "debug", "--kubeconfig", file, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_nobody_who_reads_any_more_ends_it(tmp_path: Path) -> None:
    """What fails while it follows the pods is told, in the end by its exit code."""
    home = "/api/v1/namespaces/prod"
    of_release = "?labelSelector=app.kubernetes.io/instance=tandem"
    labels = {"app.kubernetes.io/component": "gateway"}
    service = {"metadata": {"name": "tandem-gateway", "labels": labels}, "spec": {"ports": [{"port": 80}]}}
    slices = "/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices?labelSelector=kubernetes.io/service-name=tandem-gateway"
    replies = {
        "/version": Reply(200, {}),
        f"{home}/services{of_release}": Reply(200, {"items": [service]}),
        f"{home}/configmaps{of_release}": Reply(200, {"items": []}),
        f"/apis/apps/v1/namespaces/prod/deployments{of_release}": Reply(200, {"items": []}),
        f"{home}/services/tandem-gateway": Reply(200, service),
        slices: Reply(200, {"items": []}),
    }
    with api_server(Recording(DATE, replies)) as url:
        command = [str(TANDEM), "debug", "--kubeconfig", str(kubeconfig(tmp_path, url)), "-o", "json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            assert json.loads(running.stdout.readline())["forwards"][0]["fault"] == "no pod behind it is ready"
            running.stdout.close()
            ready = {"ports": [{"port": 8000}], "endpoints": [{"targetRef": {"name": "tandem-gateway-0"}}]}
            replies[slices] = Reply(200, {"items": [ready]})
            assert (running.wait(20), running.stderr.read()) == (1, "")


def test_ports_that_make_no_sense_and_a_release_in_another_cluster(tmp_path: Path) -> None:
    empty = {"/version": Reply(200, {})}
    for kind in ("/api/v1/namespaces/prod/services", "/api/v1/namespaces/prod/configmaps", "/apis/apps/v1/namespaces/prod/deployments"):  # fmt: skip
        empty[f"{kind}?labelSelector=app.kubernetes.io/instance=tandem"] = Reply(200, {"items": []})
    with api_server(Recording(DATE, empty)) as url:
        file = kubeconfig(tmp_path, url)
        assert "There is no release tandem in the namespace prod of context test." in debug(file).stderr
        assert debug(file, "--port", "gateway=0").returncode == 2
        assert "The Services of other cannot be read" in debug(file, "-n", "other").stderr
