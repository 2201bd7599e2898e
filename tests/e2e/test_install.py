"""A fresh installation: ready, answering, restricted, all of it the chart's own, and gone again afterwards."""

import asyncio
import json
import time

import pytest

from component.deployments import TANDEM
from e2e.asking import ask, put_document
from e2e.cluster import Object
from e2e.commands import run
from e2e.figures import record
from e2e.release import Release
from e2e.space import Space
from e2e.values import SECRETS
from e2e.waiting import until

pytestmark = pytest.mark.timeout(400)
# The cluster makes these in every namespace by itself.
_OF_THE_CLUSTER = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
# What is reckoned anew for each request, with the labels of what it is about.
_TRANSIENT = {"Event", "PodMetrics", "NodeMetrics", "Lease"}


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    began_s = time.monotonic()
    record("install_ready_s", round(release.up(), 1))
    with release.forwarded() as url:
        asyncio.run(put_document(url))
        told = asyncio.run(ask(url))
    record("install_first_cited_answer_s", round(time.monotonic() - began_s, 1))
    assert told.tandem["citations"], told
    return release


def test_helm_test_asks_a_question_and_finds_the_citation(installed: Release) -> None:
    assert "Phase:          Succeeded" in installed.helm("test")


def test_every_pod_runs_under_the_restricted_standard(installed: Release, ours: Space) -> None:
    # The namespace enforces the standard, so that what runs at all obeys it; the rest is ours.
    assert (
        ours.cluster.get("namespace", ours.name)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    pods = [pod for name in ("gateway", "retriever", "predictor") for pod in ours.pods(name)]
    assert {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods} == {
        "gateway",
        "retriever",
        "predictor",
    }
    for pod in pods:
        mounts = {mount["mountPath"] for one in pod["spec"]["containers"] for mount in one["volumeMounts"]}
        assert "/var/run/secrets/kubernetes.io/serviceaccount" not in mounts
        assert all(one["securityContext"]["readOnlyRootFilesystem"] for one in pod["spec"]["containers"])


def test_the_live_view_sees_every_pod_through_the_api(installed: Release, ours: Space) -> None:
    command = [TANDEM, "status", "--release", installed.name, "--namespace", ours.name, "--interval", "1", "-o", "json"]
    told = json.loads(run([str(each) for each in command], env=ours.cluster.env))
    assert {(each["target"], each["state"]) for each in told["processes"]} == {
        ("gateway", "ready"),
        ("retriever", "ready"),
    }
    assert len(told["processes"]) == len(ours.pods("gateway")) + len(ours.pods("retriever"))
    assert [each["pool"] for each in told["pools"]] == ["default"]


def test_everything_in_the_namespace_is_labelled_or_owned(installed: Release, ours: Space) -> None:
    strangers = [_name(each) for each in _everything(ours) if not _explained(each, installed.name)]
    assert strangers == []


def test_nothing_outside_the_namespace_belongs_to_the_release(installed: Release, ours: Space) -> None:
    kinds = ours.cluster.kubectl("api-resources", "--namespaced=false", "--verbs=list", "--output=name").split()
    ours_alone = f"app.kubernetes.io/instance={installed.name}"
    found = ours.cluster.items(",".join(kinds), "--selector", ours_alone)
    assert [_name(each) for each in found if each["kind"] not in _TRANSIENT] == []


def test_uninstalling_leaves_the_volumes_and_nothing_else(installed: Release, ours: Space) -> None:
    installed.helm("uninstall", "--wait")

    def left() -> list[str]:
        return sorted(_name(each) for each in _everything(ours) if _of_release(each, installed.name))

    def only_volumes() -> bool:
        return all(name.startswith("PersistentVolumeClaim/") for name in left())

    until("the release's objects to be gone", only_volumes, within_s=90)
    assert left() == [f"PersistentVolumeClaim/data-{installed.name}-retriever-0"]


def _everything(ours: Space) -> list[Object]:
    kinds = ours.cluster.kubectl("api-resources", "--namespaced=true", "--verbs=list", "--output=name").split()
    return [each for each in ours.items(",".join(kinds)) if each["kind"] not in _TRANSIENT]


def _name(each: Object) -> str:
    return f"{each['kind']}/{each['metadata']['name']}"


def _of_release(each: Object, release: str) -> bool:
    return bool(each["metadata"].get("labels", {}).get("app.kubernetes.io/instance") == release)


def _explained(each: Object, release: str) -> bool:
    """Labelled as the release's, made by something that is, helm's own note, the cluster's, or given by the tests."""
    kind, name = each["kind"], each["metadata"]["name"]
    return bool(
        _of_release(each, release)
        or each["metadata"].get("ownerReferences")
        or each.get("type") == "helm.sh/release.v1"
        or (kind, name) in _OF_THE_CLUSTER
        or (kind == "Secret" and name in SECRETS)
    )
