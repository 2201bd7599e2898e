"""`tandem models deploy|promote|rollback` against a real API server with KServe's definitions; the test is its controllers."""

import asyncio
import io
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from fakes.answer_records import answer_record
from fakes.api_server import CRDS, ApiServer, NoApiServer, api_server
from fakes.model_hub import Repository, model_hub, use_hub
from tandem.adapters.evaluations.results import Results
from tandem.adapters.sources.golden import read_golden
from tandem.app.kept import stores
from tandem.app.settings import load_settings
from tandem.cli.main import main
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.model_version import UNTOLD, Ancestry
from tandem.domain.record import AnswerRecord, RecordedModel
from tandem.pipeline.evaluation.run import Run, set_hash
from tandem.platform.cluster import Cluster, Refused, opened
from tandem.platform.models.kept import kept_of
from tandem.platform.models.progress import look
from tandem.platform.models.services import collection

CHART = Path(__file__).parents[2] / "charts" / "tandem" / "examples"
KIND = "inferenceservices.serving.kserve.io"
SHAPE = {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096}
CONFIG = json.dumps(SHAPE | {"max_position_embeddings": 8192}).encode()
CARD = b"---\ndatasets: [feedback@3]\ntraining_run: run-7\n---\n"
HUB = {
    "org/tuned": Repository({"config.json": CONFIG, "README.md": CARD, "m.safetensors": b"w" * 1000}, {"v2": "b" * 40}),
    "org/other": Repository({"config.json": CONFIG, "m.safetensors": b"o" * 2000}),
    "org/gated": Repository({"m.safetensors": b"g"}, gated=True, readers=("reader",)),
    "org/gguf": Repository({"m.gguf": b"GGUF"}),
}
TUNED = "b" * 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    if not CRDS.is_file():
        pytest.skip("no API server for tests: KServe's definitions are not here")
    try:
        with api_server(tmp_path_factory.mktemp("api-server")) as running:
            with opened(running.kubeconfig, None, None) as cluster:
                _define(cluster)
            yield running
    except NoApiServer:
        pytest.skip("no API server for tests: set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver")


def _define(cluster: Cluster) -> None:
    documents = CRDS.read_text(encoding="utf-8").split("\n---")
    (wanted,) = (each for each in documents if f"\n  name: {KIND}" in each)
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{KIND}"
    cluster.apply(path, yaml.load(wanted, Loader=yaml.CSafeLoader))
    for _ in range(600):
        try:
            cluster.items(collection(cluster))
            return
        except Refused:
            time.sleep(0.1)
    raise AssertionError("the definition is not served")


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with a release whose predictor Helm has installed, and a hub."""

    cluster: Cluster
    api: client.CustomObjectsApi
    core: Any
    kubeconfig: Path
    folder: Path
    hub: str

    def tandem(self, *arguments: str, token: str = "", context: str = "test") -> Done:
        """The command in this process: starting one costs more than all that it does."""
        words = ["models", *arguments, "--kubeconfig", str(self.kubeconfig), "--namespace", self.cluster.namespace]
        words += ["--context", context] if context else []
        words += [] if arguments[0] == "rollback" else ["--config", str(self.folder / "tandem.yaml")]
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            use_hub(patch, self.hub, self.folder)
            patch.setenv("HF_TOKEN", token)
            patch.setattr(sys, "argv", ["tandem", *words])
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, out.getvalue(), err.getvalue())

    def service(self, name: str = "tandem") -> dict[str, Any]:
        found: Any = self.api.get_namespaced_custom_object(*self._where, name)
        return dict(found)

    def names(self) -> list[str]:
        found: Any = self.api.list_namespaced_custom_object(*self._where)
        return sorted(each["metadata"]["name"] for each in found["items"])

    def helm(self, patch: Mapping[str, Any]) -> None:
        """As an upgrade writes it."""
        self.api.patch_namespaced_custom_object(*self._where, "tandem", dict(patch), field_manager="helm")

    def status(self, name: str, ready: bool = True) -> None:
        """As KServe writes it."""
        conditions = [{"type": "Ready", "status": str(ready), "message": "" if ready else "no node"}]
        self.api.patch_namespaced_custom_object_status(*self._where, name, {"status": {"conditions": conditions}})

    @property
    def _where(self) -> tuple[str, str, str, str]:
        return "serving.kserve.io", "v1beta1", self.cluster.namespace, "inferenceservices"


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with model_hub(HUB) as url:
        yield url


@pytest.fixture
def place(server: ApiServer, hub: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    namespace = f"t{abs(hash(request.node.name)) % 10**8}"
    settings = client.Configuration()
    config.load_kube_config(str(server.kubeconfig), client_configuration=settings)
    with opened(server.kubeconfig, "test", namespace) as cluster, client.ApiClient(settings) as api:
        core: Any = client.CoreV1Api(api)
        core.create_namespace({"metadata": {"name": namespace}})
        found = Place(cluster, client.CustomObjectsApi(api), core, server.kubeconfig, tmp_path, hub)
        rendered = CHART / "8b-a10g" / "rendered" / "predictor"
        installed = yaml.safe_load((rendered / "inferenceservice.yaml").read_text(encoding="utf-8"))
        found.api.create_namespaced_custom_object(*found._where, installed, field_manager="helm")
        claim = yaml.safe_load((rendered / "cache.yaml").read_text(encoding="utf-8"))
        core.create_namespaced_persistent_volume_claim(namespace, claim, field_manager="helm")
        lineage = yaml.safe_load((rendered / "lineage.yaml").read_text(encoding="utf-8"))
        core.create_namespaced_config_map(namespace, lineage, field_manager="helm")
        (tmp_path / "golden.jsonl").write_text('{"question": "What is Tandem?", "document_ids": ["a.md"]}\n')
        (tmp_path / "tandem.yaml").write_text(
            f"""models:
  tuned: {{source: "hf://org/tuned@v2", gate: {{golden: {tmp_path}/golden.jsonl, min_measure: 0.5}}}}
  other: {{source: "hf://org/other", gate: {{golden: {tmp_path}/golden.jsonl}}}}
  quantized: {{source: "hf://org/tuned@v2", quantization: awq, gate: {{golden: {tmp_path}/golden.jsonl, min_measure: 0.5}}}}
  gated: {{source: "hf://org/gated"}}
  gguf: {{source: "hf://org/gguf"}}
  missing: {{source: "hf://org/tuned@v9"}}
"""
        )
        yield found


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in service["spec"]["predictor"]["model"]["env"]}


def measured(place: Place, version: str, groundedness: float, at_s: float = 1.0) -> list[str]:
    """A run of `tandem eval --answers --results`, as it is kept; the options that name it."""
    golden, folder = place.folder / "golden.jsonl", place.folder / "results"
    folder.mkdir(exist_ok=True)
    figures = {"answers": {"groundedness": {"mean": groundedness, "ci": [0, 1], "questions": 1}}, "failed": {}}
    run = Run(
        f"run-{version[:4]}-{groundedness}", "a", at_s, "0", "url", "", "golden", set_hash(read_golden(golden)), 1, None, 0,
        answers=True, judge="words", collections=(), prompts=(), models=(f"org/tuned@{version}",), figures=figures,
    )  # fmt: skip
    Results(folder).finish(run, (), "key")
    return ["--results", str(folder)]


def test_a_dry_run_shows_the_difference_and_stores_nothing(place: Place) -> None:
    done = place.tandem("deploy", "quantized", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"+        value: {TUNED}" in done.stdout
    assert place.names() == ["tandem"]


def test_a_candidate_is_like_the_serving_one_in_all_but_the_model(place: Place) -> None:
    done = place.tandem("deploy", "quantized", "--timeout", "0")
    assert done.returncode == 0, done.stderr
    serving, made = place.service(), place.service("tandem-candidate")
    told = made["metadata"]["annotations"]
    assert told["tandem.dev/model"] == "quantized"
    assert told["tandem.dev/model-version"] == TUNED
    assert (told["tandem.dev/dataset"], told["tandem.dev/training-run"]) == ("feedback@3", "run-7")
    assert made["metadata"]["ownerReferences"][0]["uid"] == serving["metadata"]["uid"]
    before, after = environment(serving), environment(made)
    changed = {"MODEL_ID": "org/tuned", "REVISION": TUNED}
    assert after == before | changed
    one, other = serving["spec"]["predictor"], made["spec"]["predictor"]
    assert one["nodeSelector"] == other["nodeSelector"]
    assert one["model"]["resources"] == other["model"]["resources"]
    # A claim that one node alone can mount would tie the two to it.
    assert [each["emptyDir"]["sizeLimit"] for each in other["volumes"]] == ["1Gi"]
    again = place.tandem("deploy", "quantized", "--timeout", "0")
    assert "tandem-candidate is so already." in again.stderr, "pods must not be replaced by a second time"
    assert place.service("tandem-candidate")["metadata"]["generation"] == made["metadata"]["generation"]


def test_what_cannot_be_deployed_is_refused_before_anything_is_written(place: Place) -> None:
    refused = {
        "gguf": "is in the format gguf; the engine tgi reads safetensors",
        "missing": "has no revision v9",
        "gated": "is gated, and there is no token",
        "none": "There is no model none",
    }
    for name, said in refused.items():
        done = place.tandem("deploy", name)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 2, done.stderr
    without = place.tandem("deploy", "gated", token="reader")
    assert "the predictor has no token of the hub" in without.stderr
    place.helm({"spec": {"predictor": {"nodeSelector": {"tandem.dev/gpu-memory": "8Gi"}}}})
    large = place.tandem("deploy", "other")
    assert (
        "does not fit: its weights take 0.0 GB and the KV cache of 12 requests of 8192 tokens 12.9 GB" in large.stderr
    )
    assert place.names() == ["tandem"]


def test_a_context_that_was_not_named_is_asked_for(place: Place) -> None:
    done = place.tandem("deploy", "tuned", context="")
    assert done.returncode == 1
    assert "in context test (https://127.0.0.1:" in done.stderr
    assert "Name it: --context test." in done.stderr
    assert place.names() == ["tandem"]


def test_without_a_passed_gate_nothing_is_promoted(place: Place) -> None:
    assert "There is no candidate" in place.tandem("promote", "quantized", "--force", "x").stderr
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    without = place.tandem("promote", "quantized")
    assert f"The gate holds quantized@{TUNED} back: no run of" in without.stderr
    worse = place.tandem("promote", "quantized", *measured(place, TUNED, 0.4))
    assert "groundedness is 0.4000, below 0.5000" in worse.stderr
    better = place.tandem("promote", "quantized", *measured(place, TUNED, 0.9, at_s=2.0))
    assert "is not ready" in better.stderr
    other = place.tandem("promote", "other", *measured(place, TUNED, 0.9, at_s=3.0))
    assert "The candidate is quantized@" in other.stderr
    assert environment(place.service())["MODEL_ID"] != "org/tuned"


def test_a_promotion_beside_helm_and_the_way_back(place: Place) -> None:
    before = place.service()
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    place.status("tandem-candidate")
    passed = measured(place, TUNED, 0.9)
    held = place.tandem("promote", "quantized", *passed, "--timeout", "0")
    assert held.returncode == 1
    assert 'conflicts with "helm" using serving.kserve.io/v1beta1' in held.stderr
    assert "--take-over" in held.stderr
    assert len(held.stderr.splitlines()) == 2
    assert place.service()["spec"] == before["spec"]
    assert len(place.core.list_namespaced_persistent_volume_claim(place.cluster.namespace).items) == 1
    assert place.names() == ["tandem", "tandem-candidate"]

    done = place.tandem("promote", "quantized", *passed, "--take-over", "--timeout", "0", "-o", "json")
    told = json.loads(done.stdout)
    assert (told["serves"], told["gate"]["measure"]) == (f"quantized@{TUNED}", 0.9)
    serving = place.service()
    assert environment(serving) == environment(before) | {"MODEL_ID": "org/tuned", "REVISION": TUNED}
    assert json.loads(serving["metadata"]["annotations"]["tandem.dev/gate"])["runs"] == [f"run-{TUNED[:4]}-0.9"]
    assert place.names() == ["tandem"]
    claims = {
        each.metadata.name for each in place.core.list_namespaced_persistent_volume_claim(place.cluster.namespace).items
    }
    assert serving["spec"]["predictor"]["volumes"][0]["persistentVolumeClaim"]["claimName"] in claims
    assert len(claims) == 2
    assert serving["metadata"]["annotations"]["tandem.dev/weight-bytes"] == "1000"
    # What Helm writes beside it stays Helm's.
    place.helm({"spec": {"predictor": {"terminationGracePeriodSeconds": 150}}})

    back = place.tandem("rollback", "--timeout", "0")
    assert (back.returncode, back.stdout) == (0, "what Helm installed serves now.\n"), back.stderr
    after = place.service()
    assert environment(after) == environment(before)
    assert after["spec"]["predictor"]["volumes"] == before["spec"]["predictor"]["volumes"]
    assert after["spec"]["predictor"]["terminationGracePeriodSeconds"] == 150
    assert [each.name for each in kept_of(after).entries] == ["what Helm installed", f"quantized@{TUNED}"]
    assert "There is nothing to go back to" in place.tandem("rollback").stderr


def test_a_larger_model_gets_a_larger_claim(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    sized = {"metadata": {"annotations": {"tandem.dev/weight-bytes": "100000000000"}}}
    place.api.patch_namespaced_custom_object(*place._where, "tandem-candidate", sized)
    done = place.tandem("promote", "quantized", "--force", "larger", "--take-over", "--timeout", "0")
    assert done.returncode == 0, done.stderr
    claim = place.service()["spec"]["predictor"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    made = place.core.read_namespaced_persistent_volume_claim(claim, place.cluster.namespace)
    assert made.spec.resources.requests == {"storage": "112Gi"}


def test_what_helm_alone_can_take_away_is_refused(place: Place) -> None:
    """The serving model is quantized; this one is not, and server-side apply takes nothing from another owner."""
    assert place.tandem("deploy", "tuned", "--timeout", "0").returncode == 0
    assert "QUANTIZE" not in environment(place.service("tandem-candidate"))
    done = place.tandem("promote", "tuned", "--force", "trying", "--take-over")
    assert "Helm's values set QUANTIZE of tandem" in done.stderr
    assert len(place.core.list_namespaced_persistent_volume_claim(place.cluster.namespace).items) == 1
    assert environment(place.service())["QUANTIZE"] == "awq"


def pod(place: Place, version: str, **status: Any) -> None:
    """The candidate's, as the scheduler and the kubelet write of it."""
    where = place.cluster.namespace
    if not place.core.list_namespaced_pod(where).items:
        place.core.create_namespaced_pod(
            where,
            {
                "metadata": {
                    "name": "pod",
                    "labels": {"serving.kserve.io/inferenceservice": "tandem-candidate"},
                    "annotations": {"tandem.dev/model-version": version},
                },
                "spec": {
                    "containers": [{"name": "kserve-container", "image": "x"}],
                    "automountServiceAccountToken": False,
                },
            },
        )
    place.core.patch_namespaced_pod_status("pod", where, {"status": status})


def warn(place: Place, name: str, message: str, kind: str = "ReplicaSet") -> None:
    """As controllers report it."""
    where = place.cluster.namespace
    about = {"kind": kind, "namespace": where, "name": name}
    event = {"metadata": {"generateName": "e-"}, "involvedObject": about, "type": "Warning", "message": message}
    place.core.create_namespaced_event(where, event)


def running(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "kserve-container", "image": "x", "imageID": "", "ready": False, "restartCount": state.pop("restarts", 0), "state": state}]  # fmt: skip


def test_waiting_says_what_happens_and_why_it_stands_still(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0

    def seen() -> tuple[str, str, bool]:
        found = look(place.cluster, "tandem-candidate", TUNED)
        return found.stage, found.said, found.over

    place.status("tandem-candidate", ready=False)
    assert seen() == ("accepted", "Ready: no node", False)
    warn(place, "tandem-candidate-2", "of another service")
    assert seen() == ("accepted", "Ready: no node", False)
    warn(place, "tandem-candidate-predictor-7f", "exceeded quota")
    warn(place, "tandem-candidate-predictor-7f-x", "of a pod before", kind="Pod")
    assert seen() == ("accepted", "exceeded quota", False)
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: gpu"}
    pod(place, TUNED, phase="Pending", conditions=[unscheduled])
    assert seen() == ("scheduling", "0/3 nodes: gpu", False)
    scheduled = {"type": "PodScheduled", "status": "True"}
    pulling = {"reason": "ContainerCreating"}
    pod(place, TUNED, conditions=[scheduled], containerStatuses=running(waiting=pulling))
    assert seen()[0] == "image"
    absent = {"reason": "ImagePullBackOff", "message": "no such tag"}
    pod(place, TUNED, containerStatuses=running(waiting=absent))
    assert seen() == ("image", "ImagePullBackOff: no such tag", False)
    absent["message"] = 'Back-off pulling image "x": ErrImagePull: no such tag'
    pod(place, TUNED, containerStatuses=running(waiting=absent))
    assert seen() == ("image", "ErrImagePull: no such tag", False)
    pod(place, TUNED, containerStatuses=running(waiting={"reason": "CrashLoopBackOff"}, restarts=4))
    assert (seen()[0], seen()[2]) == ("load", True)
    given_up = place.tandem("deploy", "quantized")
    assert given_up.returncode == 1
    assert "tandem-candidate ended at load: ended 4 times" in given_up.stderr
    pod(place, TUNED, conditions=[scheduled, {"type": "Ready", "status": "True"}])
    assert seen()[0] == "warm-up"
    place.status("tandem-candidate")
    assert seen() == ("ready", "", False)
    waited = place.tandem("deploy", "quantized")
    assert (waited.returncode, waited.stdout.startswith("tandem-candidate is ready.")) == (0, True), waited.stderr


def test_an_api_server_that_goes_away_in_the_middle(
    place: Place, server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tandem.cli import models_watch

    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    monkeypatch.setattr(models_watch, "_PATIENCE_S", 0.0)
    told = yaml.safe_load(server.kubeconfig.read_text())
    told["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "away").write_text(yaml.safe_dump(told))
    with opened(tmp_path / "away", None, None) as gone, pytest.raises(UpstreamUnavailable) as raised:
        models_watch.wait(gone, "tandem-candidate", TUNED, 60, None)
    assert "tandem-candidate is written, and goes on by itself." in raised.value.message
    assert raised.value.hint
    assert "the same command waits again" in raised.value.hint


def test_without_the_rights_it_is_said_what_is_missing(place: Place) -> None:
    done = place.tandem("deploy", "tuned", context="powerless")
    assert done.returncode == 1
    assert "cannot list resource" in done.stderr
    assert "docs/registry.md" in done.stderr


def test_a_namespace_without_a_release(place: Place) -> None:
    done = place.tandem("deploy", "tuned", "--release", "none")
    assert "There is no predictor of the release none" in done.stderr


def kept_answer(place: Place, revision: str | None, ancestry: Ancestry = UNTOLD) -> AnswerRecord:
    """An answer of the promoted model, or of whatever served then."""
    model = RecordedModel("org/tuned", "tgi", revision, "default", "default", "preferred", 1, ancestry=ancestry)
    record = replace(answer_record("Every ninth day."), model=model)
    settings = load_settings(None, data_dir=place.folder / "data")

    async def keep() -> None:
        async with stores(settings) as opened:
            await opened.receipts.keep([record])

    asyncio.run(keep())
    return record


def test_an_answer_is_traced_to_its_training_data(place: Place) -> None:
    assert place.tandem("deploy", "quantized", "--timeout", "0").returncode == 0
    place.status("tandem-candidate")
    forced = place.tandem("promote", "quantized", "--force", "a rehearsal", "--take-over", "--timeout", "0")
    assert forced.returncode == 0, forced.stderr
    assert "it was forced" in forced.stderr
    record = kept_answer(place, TUNED)
    where = ["--data-dir", str(place.folder / "data"), "--tenant", record.asker.tenant]
    traced = place.tandem("lineage", record.id, "--release", "tandem", *where, "-o", "json")
    told = json.loads(traced.stdout)
    assert (told["model"], told["version"], told["told_by"]) == ("quantized", TUNED, "the cluster")
    assert told["ancestry"] == {"dataset": "feedback@3", "training_run": "run-7", "base_model": None}
    assert (told["gate"]["forced"], told["answer"]["receipt"]) == ("a rehearsal", record.id)
    by_source = json.loads(place.tandem("lineage", record.id, *where, "-o", "json").stdout)
    assert (by_source["told_by"], by_source["version"], by_source["ancestry"]["dataset"]) == (
        "its source",
        TUNED,
        "feedback@3",
    )
    of_model = place.tandem("lineage", "quantized", "--release", "tandem")
    assert "forced: a rehearsal" in of_model.stdout
    untold = place.tandem("lineage", "other")
    assert (untold.returncode, "The data set is not told" in untold.stderr) == (1, True)
    listed = json.loads(place.tandem("list", "--release", "tandem", "-o", "json").stdout)
    assert [(each["state"], each["model"]) for each in listed["deployed"]] == [("serving", "quantized"), ("before", "")]
    assert f"quantized@{TUNED[:6]}" in place.tandem("list", "--release", "tandem").stdout


def test_a_data_set_of_feedback_is_told_with_its_receipts(place: Place) -> None:
    made = place.folder / "support@3"
    made.mkdir()
    (made / "dataset.json").write_text(
        json.dumps({"dataset": "support@3", "digest": "sha256:1", "receipts": ["rcpt-1", "rcpt-2"]})
    )
    configured = place.folder / "tandem.yaml"
    configured.write_text(configured.read_text() + f'  own: {{source: "hf://org/other", dataset: "{made}"}}\n')
    told = json.loads(place.tandem("lineage", "own", "-o", "json").stdout)
    assert (told["dataset"]["digest"], told["dataset"]["receipts"]) == ("sha256:1", ["rcpt-1", "rcpt-2"])
