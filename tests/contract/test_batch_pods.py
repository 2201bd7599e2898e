"""One suite over whoever runs pods for a batch: the double, and Jobs of Kubernetes; and what the latter asks for."""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.jobs_api import JobsApi, jobs_api
from tandem.adapters.kubernetes.batch_job import read_template
from tandem.adapters.kubernetes.batch_pods import KubernetesBatchPods, kubernetes_batch_pods
from tandem.adapters.scripted.batch_pods import ScriptedBatchPods
from tandem.domain.errors import ConfigurationError, UpstreamFailed, UpstreamUnavailable
from tandem.ports.batch_pods import BatchPods

JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {
        "name": "tandem-batch",
        "namespace": "rag",
        "labels": {"app.kubernetes.io/name": "tandem"},
        "annotations": {"tandem.dev/lines-per-pod": "100"},
    },
    "spec": {
        "completionMode": "Indexed",
        "completions": 8,
        "parallelism": 8,
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/component": "batch"}},
            "spec": {"containers": [{"name": "batch", "args": ["batch", "work", "BATCH_ID", "--config", "/etc/t"]}]},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What is under test, how a batch's pods end, and how nobody answers any more."""

    pods: BatchPods
    end: Callable[[str], None]
    fault: Callable[[], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "batch-job.yaml").write_text(yaml.safe_dump(JOB))
    return tmp_path


@pytest.fixture
async def api() -> AsyncIterator[JobsApi]:
    async with jobs_api() as served:
        yield served


@pytest.fixture
async def jobs(api: JobsApi, folder: Path) -> AsyncIterator[KubernetesBatchPods]:
    async with kubernetes_batch_pods(folder / "batch-job.yaml", server=api.url, account=folder) as opened:
        yield opened


@pytest.fixture(params=["scripted", "kubernetes"])
def stage(request: pytest.FixtureRequest, folder: Path) -> Stage:
    if request.param == "scripted":
        scripted = ScriptedBatchPods()

        def fail() -> None:
            scripted.fault = UpstreamUnavailable("It is away.")

        return Stage(scripted, scripted.end, fail)
    api: JobsApi = request.getfixturevalue("api")
    template = read_template(folder / "batch-job.yaml")
    return Stage(
        request.getfixturevalue("jobs"),
        lambda batch: api.end(template.name_of(batch)),
        lambda: api.faults.append((503, "The API server is starting.")),
    )


async def test_pods_are_there_from_start_to_stop(stage: Stage) -> None:
    assert not await stage.pods.alive("batch_1")
    await stage.pods.start("batch_1", 250)
    assert await stage.pods.alive("batch_1")
    assert not await stage.pods.alive("batch_2")
    await stage.pods.stop("batch_1")
    assert not await stage.pods.alive("batch_1")


async def test_what_is_started_or_stopped_twice_is_so_once(stage: Stage) -> None:
    for _ in range(2):
        await stage.pods.start("batch_1", 250)
    assert await stage.pods.alive("batch_1")
    for _ in range(2):
        await stage.pods.stop("batch_1")
    assert not await stage.pods.alive("batch_1")


async def test_new_ones_come_in_place_of_those_that_ended(stage: Stage) -> None:
    await stage.pods.start("batch_1", 250)
    stage.end("batch_1")
    assert not await stage.pods.alive("batch_1")
    await stage.pods.start("batch_1", 20)
    assert await stage.pods.alive("batch_1")


async def test_nobody_who_answers_is_said_to_be_away(stage: Stage) -> None:
    for call in (stage.pods.start("batch_1", 1), stage.pods.stop("batch_1"), stage.pods.alive("batch_1")):
        stage.fault()
        with pytest.raises(UpstreamUnavailable):
            await call


@pytest.mark.parametrize(("lines", "pods"), [(1, 1), (100, 1), (101, 2), (250, 3), (50_000, 8)])
async def test_a_job_has_as_many_pods_as_its_lines_need(
    jobs: KubernetesBatchPods, api: JobsApi, lines: int, pods: int
) -> None:
    await jobs.start("batch_1", lines)
    (job,) = api.jobs.values()
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (pods, pods)


async def test_a_job_says_which_batch_it_is_for(jobs: KubernetesBatchPods, api: JobsApi) -> None:
    await jobs.start("batch_1", 10)
    await jobs.start("batch_2", 10)
    assert len(api.jobs) == 2
    (name, job), _ = api.jobs.items()
    assert name.startswith("tandem-batch-")
    assert len(f"{'t' * 40}-batch-{name.rpartition('-')[2]}") <= 60
    assert job["metadata"]["labels"] == {"app.kubernetes.io/name": "tandem", "tandem.dev/batch": "batch_1"}
    template = job["spec"]["template"]
    assert template["metadata"]["labels"] == {"app.kubernetes.io/component": "batch", "tandem.dev/batch": "batch_1"}
    assert template["spec"]["containers"][0]["args"] == ["batch", "work", "batch_1", "--config", "/etc/t"]


async def test_a_failed_job_has_ended_too_and_goes_with_its_pods(jobs: KubernetesBatchPods, api: JobsApi) -> None:
    await jobs.start("batch_1", 10)
    (name,) = api.jobs
    first = api.jobs[name]["metadata"]["uid"]
    api.end(name, "Failed")
    assert not await jobs.alive("batch_1")
    await jobs.start("batch_1", 10)
    assert api.jobs[name]["metadata"]["uid"] != first
    (options,) = api.deleted
    assert options["propagationPolicy"] == "Background"


async def test_a_job_that_is_going_is_waited_for(jobs: KubernetesBatchPods, api: JobsApi) -> None:
    await jobs.start("batch_1", 10)
    api.held = True
    await jobs.stop("batch_1")
    assert not await jobs.alive("batch_1")
    with pytest.raises(UpstreamUnavailable, match="has not gone yet"):
        await jobs.start("batch_1", 10)
    api.held = False
    await jobs.start("batch_1", 10)
    assert await jobs.alive("batch_1")


async def test_another_batch_s_job_of_that_name_is_left_alone(jobs: KubernetesBatchPods, api: JobsApi) -> None:
    await jobs.start("batch_1", 10)
    (job,) = api.jobs.values()
    job["metadata"]["labels"]["tandem.dev/batch"] = "batch_9"
    with pytest.raises(UpstreamFailed, match="of the batch batch_9"):
        await jobs.start("batch_1", 10)
    with pytest.raises(UpstreamFailed):
        await jobs.stop("batch_1")
    assert len(api.jobs) == 1


async def test_the_token_is_read_anew(jobs: KubernetesBatchPods, api: JobsApi, folder: Path) -> None:
    await jobs.alive("batch_1")
    (folder / "token").write_text("second")
    api.token = "second"
    await jobs.alive("batch_1")
    assert api.tokens == ["Bearer first", "Bearer second"]
    (folder / "token").unlink()
    with pytest.raises(UpstreamUnavailable, match="token of this pod"):
        await jobs.alive("batch_1")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, UpstreamUnavailable),
        (403, UpstreamUnavailable),
        (429, UpstreamUnavailable),
        (500, UpstreamUnavailable),
        (404, UpstreamFailed),
        (422, UpstreamFailed),
    ],
)
async def test_what_is_refused_says_why(
    jobs: KubernetesBatchPods, api: JobsApi, status: int, error: type[UpstreamUnavailable | UpstreamFailed]
) -> None:
    api.faults = [(status, "exceeded quota: jobs")]
    with pytest.raises(error, match="exceeded quota: jobs") as caught:
        await jobs.start("batch_1", 10)
    assert (caught.value.hint is not None) == (status == 403)


async def test_nobody_at_that_address_is_said_to_be_away(folder: Path) -> None:
    async with kubernetes_batch_pods(folder / "batch-job.yaml", server="http://127.0.0.1:9", account=folder) as jobs:
        with pytest.raises(UpstreamUnavailable, match="No Kubernetes API server answers"):
            await jobs.alive("batch_1")


def _without(*keys: str | int) -> str:
    made: Any = deepcopy(JOB)
    node = made
    for key in keys[:-1]:
        node = node[key]
    del node[keys[-1]]
    return yaml.safe_dump(made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{",
        yaml.safe_dump({**JOB, "kind": "CronJob"}),
        _without("metadata", "annotations"),
        _without("spec", "completions"),
        _without("spec", "template", "spec", "containers", 0, "args", 2),
        yaml.safe_dump(JOB).replace("'100'", "'0'"),
        yaml.safe_dump(JOB).replace("'100'", "many"),
    ],
)
def test_a_template_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "batch-job.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="is no Job for batches"):
        read_template(folder / "batch-job.yaml")


async def test_without_template_or_account_a_process_does_not_start(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        async with kubernetes_batch_pods(folder / "nothing.yaml", account=folder):
            pass
    with pytest.raises(ConfigurationError, match=r"ca\.crt cannot be read"):
        async with kubernetes_batch_pods(folder / "batch-job.yaml", account=folder):
            pass
    (folder / "token").unlink()
    with pytest.raises(ConfigurationError, match="There is no token"):
        async with kubernetes_batch_pods(folder / "batch-job.yaml", account=folder):
            pass
