"""Having a model followed: one contract over a real API server and over the double that is shipped."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from fakes.api_server import ApiServer, NoApiServer, api_server
from tandem.adapters.kubernetes.follow_jobs import LABEL, KubernetesFollowJobs, kubernetes_follow_jobs
from tandem.adapters.scripted.follow_jobs import ScriptedFollowJobs
from tandem.domain.errors import ConfigurationError, UnknownModel, UpstreamFailed, UpstreamUnavailable
from tandem.ports.follow_jobs import FollowJobs

NAMESPACE = "rag"
NAMES = {"llama": "tandem-follow-llama", "gone": "tandem-follow-gone"}
SPEC = {
    "backoffLimit": 0,
    "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "follow", "image": "tandem:1"}]}},
}
CRONJOB = {
    "metadata": {"name": NAMES["llama"]},
    "spec": {
        "schedule": "@hourly",
        "jobTemplate": {"metadata": {"labels": {LABEL: NAMES["llama"], "team": "answers"}}, "spec": SPEC},
    },
}
RULES = [
    {"apiGroups": ["batch"], "resources": ["cronjobs"], "resourceNames": [*NAMES.values()], "verbs": ["get"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "create"]},
]


@dataclass(frozen=True, slots=True)
class Stage:
    """What is under test, and how a run of a model ends."""

    jobs: FollowJobs
    end: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with the CronJob, and an account that may do what the chart lets gateways do."""

    batch: Any
    folder: Path
    url: str

    def all(self) -> list[Any]:
        return list(self.batch.list_namespaced_job(NAMESPACE).items)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    try:
        with api_server(tmp_path_factory.mktemp("api-server")) as running:
            yield running
    except NoApiServer:
        pytest.skip("no API server for tests: set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver")


@pytest.fixture(scope="module")
def place(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings, folder = client.Configuration(), tmp_path_factory.mktemp("account")
    config.load_kube_config(str(server.kubeconfig), client_configuration=settings)
    told = yaml.safe_load(server.kubeconfig.read_text())["clusters"][0]["cluster"]
    (folder / "ca.crt").write_bytes(Path(told["certificate-authority"]).read_bytes())
    (folder / "token").write_text("other")
    (folder / "namespace").write_text(NAMESPACE)
    with client.ApiClient(settings) as api:
        core: Any = client.CoreV1Api(api)
        rbac: Any = client.RbacAuthorizationV1Api(api)
        core.create_namespace({"metadata": {"name": NAMESPACE}})
        rbac.create_namespaced_role(NAMESPACE, {"metadata": {"name": "hooks"}, "rules": RULES})
        who = {"kind": "User", "name": "other", "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "Role", "name": "hooks", "apiGroup": "rbac.authorization.k8s.io"}
        binding = {"metadata": {"name": "hooks"}, "roleRef": role, "subjects": [who]}
        rbac.create_namespaced_role_binding(NAMESPACE, binding)
        batch: Any = client.BatchV1Api(api)
        batch.create_namespaced_cron_job(NAMESPACE, CRONJOB)
        yield Place(batch, folder, told["server"])


@pytest.fixture
async def jobs(place: Place) -> AsyncIterator[KubernetesFollowJobs]:
    for each in place.all():
        place.batch.delete_namespaced_job(each.metadata.name, NAMESPACE, propagation_policy="Background")
    async with kubernetes_follow_jobs(NAMES, server=place.url, account=place.folder) as opened:
        yield opened


@pytest.fixture(params=["scripted", "kubernetes"])
def stage(request: pytest.FixtureRequest) -> Stage:
    if request.param == "scripted":
        scripted = ScriptedFollowJobs("llama")
        return Stage(scripted, lambda model: scripted.running.clear() if model else None)
    place: Place = request.getfixturevalue("place")
    opened: KubernetesFollowJobs = request.getfixturevalue("jobs")
    return Stage(opened, lambda _: _complete(place))


def _complete(place: Place) -> None:
    """As the Job controller does."""
    for each in place.all():
        now = "2026-01-01T00:00:00Z"
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("FailureTarget", "Failed")
        ]
        place.batch.patch_namespaced_job_status(
            each.metadata.name, NAMESPACE, {"status": {"startTime": now, "conditions": conditions}}
        )


async def test_a_model_is_followed_by_one_at_a_time(stage: Stage) -> None:
    first = await stage.jobs.begin("llama", "one")
    assert first.new
    second = await stage.jobs.begin("llama", "two")
    assert (second.job, second.new) == (first.job, False)
    stage.end("llama")
    third = await stage.jobs.begin("llama", "two")
    assert third.new and third.job != first.job


async def test_a_delivery_that_comes_again_begins_nothing_again(stage: Stage) -> None:
    first = await stage.jobs.begin("llama", "one")
    stage.end("llama")
    again = await stage.jobs.begin("llama", "one")
    assert (first.new, again.new, again.job) == (True, False, first.job)


async def test_a_model_that_nobody_follows_is_told(stage: Stage) -> None:
    with pytest.raises(UnknownModel, match="No model 'other' is followed"):
        await stage.jobs.begin("other", "one")


async def test_the_job_is_the_cronjobs_own(place: Place, jobs: KubernetesFollowJobs) -> None:
    begun = await jobs.begin("llama", "one")
    (made,) = place.all()
    cronjob = place.batch.read_namespaced_cron_job(NAMES["llama"], NAMESPACE)
    assert made.metadata.name == begun.job and len(begun.job) <= 63
    assert made.metadata.labels[LABEL] == NAMES["llama"] and made.metadata.labels["team"] == "answers"
    assert made.metadata.annotations["cronjob.kubernetes.io/instantiate"] == "manual"
    (owner,) = made.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller) == ("CronJob", cronjob.metadata.uid, True)
    assert made.spec.template.spec.containers[0].image == "tandem:1"
    assert made.spec.backoff_limit == 0


async def test_many_deliveries_at_once_do_no_harm(place: Place, jobs: KubernetesFollowJobs) -> None:
    begun = await asyncio.gather(*(jobs.begin("llama", "one") for _ in range(8)))
    assert [each.new for each in begun].count(True) <= 1
    assert len(place.all()) == 1


async def test_a_cronjob_that_is_not_there_is_told(jobs: KubernetesFollowJobs) -> None:
    with pytest.raises(UpstreamFailed, match="no CronJob tandem-follow-gone"):
        await jobs.begin("gone", "one")


async def test_without_rights_or_server_it_may_be_tried_later(place: Place, tmp_path: Path) -> None:
    for name in ("ca.crt", "token"):
        (tmp_path / name).write_bytes((place.folder / name).read_bytes())
    (tmp_path / "namespace").write_text("default")
    async with kubernetes_follow_jobs(NAMES, server=place.url, account=tmp_path) as jobs:
        with pytest.raises(UpstreamUnavailable, match="403"):
            await jobs.begin("llama", "one")
    async with kubernetes_follow_jobs(NAMES, server="https://127.0.0.1:9", account=tmp_path) as jobs:
        with pytest.raises(UpstreamUnavailable, match="No Kubernetes API server answers"):
            await jobs.begin("llama", "one")


async def test_outside_of_a_cluster_a_process_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no token"):
        async with kubernetes_follow_jobs(NAMES, account=tmp_path):
            pass
