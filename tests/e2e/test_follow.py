"""The CronJob that follows a registry, run once: a new version becomes the candidate, is measured, and is tried as a release."""

import asyncio
import json
from contextlib import suppress
from itertools import count

import pytest

from component.deployments import TANDEM
from e2e import models
from e2e.asking import ask, put_document
from e2e.cluster import Object
from e2e.commands import CommandFailed, run
from e2e.images import Images, named
from e2e.keys import ADMIN, CALLER
from e2e.pods import INSIDE
from e2e.postgres import postgres
from e2e.release import Release, merged
from e2e.space import Space
from e2e.waiting import until

pytestmark = pytest.mark.timeout(400)
_PORT = 5000
_GOLDEN = '{"question": "When does the harbour open?", "document_ids": ["harbour.md"]}\n'


def followed(ours: Space, built: Images, served: str) -> Object:
    """What makes the release follow the model."""
    here = f"{ours.name}.svc.cluster.local"
    model = {
        "source": "mlflow://support@champion",
        "server": f"http://mlflow.{here}:{_PORT}",
        "served_from": served,
        # The small model is no match for the extractive one: that it is measured is what counts here.
        "gate": {"golden": "/etc/tandem-golden/golden.jsonl", "max_drop": 1},
    }
    told = {"lineage": "/etc/tandem-models"}
    candidate = [{"url": f"http://tandem-candidate-predictor.{here}"}]
    pools = [
        {"name": "main", **told, "endpoints": [{"url": f"http://tandem-predictor.{here}"}]},
        {"name": "next", **told, "answers": False, "endpoints": candidate},
    ]
    return {
        "config": {"models": {models.MODEL: model}, "pools": pools},
        "existingSecrets": {"admin": {"name": "chief", "key": "api-key"}},
        "follow": {
            # It is begun by hand.
            "models": [{"name": models.MODEL, "schedule": "0 0 29 2 *", "pool": "next", "manual": True, "weight": 0.5}],
            "image": named(built.platform),
            "golden": {"configMap": "golden"},
            "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        },
    }


@pytest.fixture(scope="module")
def installed(release: Release, ours: Space, built: Images, storage_class: str) -> Release:
    served = models.on_claim(ours, built.small, storage_class)
    ours.serve("mlflow", INSIDE / "mlflow.py", [str(_PORT), models.weights()], _PORT)
    ours.secret("chief", {"api-key": ADMIN})
    ours.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "golden", "namespace": ours.name},
            "data": {"golden.jsonl": _GOLDEN},
        }
    )
    release.up(merged(postgres(ours), followed(ours, built, served)))
    with release.forwarded() as url:
        asyncio.run(put_document(url))
    return release


def test_a_new_version_is_tried_with_the_rights_of_its_own_account(installed: Release, ours: Space) -> None:
    before = {each["metadata"]["uid"] for each in ours.items("pods", "--selector", f"{models.OF_SERVICE}=tandem")}
    first, said = looked(ours, "first")
    assert (first["version"], first["state"], first["release"]) == ("7", "trying", "support-7")
    assert (first["gate"]["serving_measure"], first["gate"]["refusals"]) == (1, [])
    # All that it wanted to do it was let do.
    assert "forbidden" not in said
    (candidate,) = ours.items("pods", "--selector", f"{models.OF_SERVICE}=tandem-candidate")
    assert candidate["metadata"]["annotations"]["tandem.dev/model-version"] == "7"
    told = json.loads(ours.get("configmap", "tandem-models")["data"]["deployed.json"])
    assert told["ancestries"]["7"]["dataset"] == "support@3"
    with installed.forwarded() as url:
        env = {**ours.cluster.env, "TANDEM_URL": url, "TANDEM_API_KEY": ADMIN}
        (begun,) = json.loads(run([str(TANDEM), "release", "list", "-o", "json"], env=env))["data"]
    assert (begun["name"], begun["state"], begun["pools"]) == ("support-7", "trying", ["next"])
    # Another look changes nothing, and nothing that serves was touched.
    assert looked(ours, "again")[0]["state"] == "trying"
    assert before == {
        each["metadata"]["uid"] for each in ours.items("pods", "--selector", f"{models.OF_SERVICE}=tandem")
    }


def test_an_answer_of_the_candidate_tells_what_it_was_made_from(installed: Release, ours: Space) -> None:
    """After its release has begun; the files follow within a minute, at once in a pod that is touched."""
    ours.kubectl("annotate", "pods", "--selector", "app.kubernetes.io/component=gateway", "tandem-e2e=touched")
    with installed.forwarded() as url:
        env = {**ours.cluster.env, "TANDEM_URL": url, "TANDEM_API_KEY": CALLER}
        numbers = count()

        def told() -> Object | None:
            answered = asyncio.run(ask(url, f"When does the harbour open on day {next(numbers)}?")).tandem
            if answered["route"]["pool"] != "next":
                return None
            receipt = json.loads(run([str(TANDEM), "receipts", "show", answered["receipt_id"], "-o", "json"], env=env))
            assert receipt["release"] == "support-7"
            return receipt["model"] if receipt["model"]["dataset"] else None

        model = until("an answer of the candidate that tells its data set", told, within_s=120, every_s=1)
    assert (model["dataset"], model["training_run"]) == ("support@3", "f00dfeed")


def test_its_account_may_touch_nothing_that_serves(installed: Release, ours: Space) -> None:
    account = f"system:serviceaccount:{ours.name}:tandem-follow"

    def may(verb: str, what: str) -> bool:
        # Whoever may not ends with 1.
        with suppress(CommandFailed):
            return ours.kubectl("auth", "can-i", verb, what, "--as", account).strip() == "yes"
        return False

    assert installed.name == "tandem"
    services = "inferenceservices.serving.kserve.io"
    assert may("patch", f"{services}/tandem-candidate") and may("patch", "configmaps/tandem-models")
    refused = [
        ("patch", f"{services}/tandem"), ("delete", f"{services}/tandem"), ("get", "secrets"), ("create", "jobs"),
        ("patch", "configmaps/tandem-config"), ("create", "pods"), ("delete", "pods"),
    ]  # fmt: skip
    assert [each for each in refused if may(*each)] == []


def looked(ours: Space, name: str) -> tuple[Object, str]:
    """One look, begun as a pipeline begins it; what it printed, and all that it said."""
    ours.kubectl("create", "job", name, "--from=cronjob/tandem-follow-support")

    def ended() -> Object | None:
        status: Object = ours.get("job", name)["status"]
        over = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
        return status if over & {"Complete", "Failed"} else None

    status = until(f"the end of {name}", ended, within_s=180)
    said = ours.kubectl("logs", f"job/{name}")
    assert status.get("succeeded") == 1, said
    found: Object = json.loads(said.splitlines()[-1])
    return found, said
