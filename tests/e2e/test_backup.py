"""An installation is backed up, destroyed with its volumes and its database, installed anew and restored: it answers as before."""

import asyncio
import json
from typing import Any

import pytest

from component.deployments import TANDEM
from e2e.asking import ask, put_document
from e2e.cluster import Object
from e2e.commands import run
from e2e.keys import ADMIN
from e2e.postgres import asked, postgres
from e2e.release import Release, merged
from e2e.space import Space
from e2e.waiting import until

pytestmark = pytest.mark.timeout(600)
CLAIM = "tandem-backups"
_PROMPT = "Answer from the passages, and name them as [1].\n--- user ---\n{{ passages }}\n{{ question }}"


def wanted(ours: Space) -> Object:
    """The values, over a database that is as new as its pod."""
    return merged(postgres(ours), {"backup": {"enabled": True, "claim": CLAIM}, "prompts": {"answer@2": _PROMPT}})


@pytest.fixture(scope="module")
def place(ours: Space, storage_class: str) -> str:
    """The claim where backups lie: the only thing that is left in between."""
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    ours.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": ours.name},
            "spec": spec,
        }
    )
    return CLAIM


def test_after_everything_was_destroyed_it_answers_as_before(release: Release, ours: Space, place: str) -> None:
    release.up(wanted(ours))
    with release.forwarded() as url:
        asyncio.run(put_document(url))
        before = asyncio.run(ask(url))
        assert before.tandem["citations"], before
        name = before.tandem["receipt_id"]
        tandem(ours, url, "release", "create", "blue", "--prompt", "answer@2", "--weight", "0", "--manual")
        receipt = until("the receipt", lambda: kept(ours, url, name), within_s=30)
        book = tandem(ours, url, "release", "list")
    assert [each["name"] for each in book["data"]] == ["blue"]

    stop(release)
    made = job(ours, release, "backup")
    assert made["holds"]["collections"] == {"docs@1": 1}
    assert made["holds"]["state"]["receipts"] >= 1 and made["holds"]["state"]["release_book"] == 1
    destroy(release, place)

    release.up(wanted(ours))
    assert asked(ours, "select count(*) from receipts") == [["0"]]
    stop(release)
    assert job(ours, release, "restore")["holds"] == made["holds"]
    start(release)
    with release.forwarded() as url:
        after = until("the collection", lambda: asyncio.run(ask(url)), within_s=60)
        assert (after.text, after.tandem["citations"]) == (before.text, before.tandem["citations"])
        assert kept(ours, url, name) == receipt
        assert tandem(ours, url, "release", "list") == book


def tandem(space: Space, url: str, *words: str) -> Any:
    """What a command of an admin prints as JSON."""
    env = {**space.cluster.env, "TANDEM_URL": url, "TANDEM_API_KEY": ADMIN}
    return json.loads(run([str(TANDEM), *words, "-o", "json"], env=env))


def kept(space: Space, url: str, name: str) -> Any:
    """The receipt, whole."""
    return tandem(space, url, "receipts", "show", name)


def workloads(release: Release) -> dict[str, str]:
    return {f"deployment/{release.gateway}": "gateway", f"statefulset/{release.name}-retriever": "retriever"}


def stop(release: Release) -> None:
    """Nobody serves from the stores."""
    release.space.kubectl("scale", *workloads(release), "--replicas=0")
    for component in workloads(release).values():
        selector = f"app.kubernetes.io/component={component}"
        release.space.kubectl("wait", "--for=delete", "pod", "--selector", selector, "--timeout=150s", timeout_s=160)


def start(release: Release) -> None:
    release.space.kubectl("scale", *workloads(release), "--replicas=1")
    for each in workloads(release):
        release.space.kubectl("rollout", "status", each, "--timeout=150s", timeout_s=160)


def job(space: Space, release: Release, what: str) -> Any:
    """Made by hand from the chart's CronJob; what its pod printed."""
    name = f"{what}-by-hand"
    space.kubectl("create", "job", name, f"--from=cronjob/{release.name}-{what}")

    def ended() -> Object | None:
        status: Object = space.get("job", name)["status"]
        over = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
        return status if over & {"Complete", "Failed"} else None

    status = until(f"the end of {name}", ended, within_s=120)
    said = space.kubectl("logs", f"job/{name}")
    assert status.get("succeeded") == 1, said
    return json.loads(said.splitlines()[-1])


def destroy(release: Release, place: str) -> None:
    """The release, its volumes, and the database."""
    space = release.space
    release.helm("uninstall", "--wait")
    claims = [each["metadata"]["name"] for each in space.items("persistentvolumeclaims")]
    assert f"data-{release.name}-retriever-0" in claims
    space.kubectl("delete", "persistentvolumeclaim", *(each for each in claims if each != place), "--wait=true")
    space.kubectl("delete", "pod", "postgres", "--wait=true")
