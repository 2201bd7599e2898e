"""A model of the registry on real pods: deployed beside the one that serves, promoted, told by receipts, taken back."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from e2e import models
from e2e.asking import ask, put_document
from e2e.cluster import Object
from e2e.figures import record
from e2e.images import Images
from e2e.keys import CALLER
from e2e.models import DATASET, MODEL, RUN, Registry
from e2e.release import Release
from e2e.space import Space
from e2e.waiting import until

pytestmark = pytest.mark.timeout(400)
_SERVICES = "inferenceservices.serving.kserve.io"
_NO_IMAGE: Object = {"predictor": {"runtimes": {"small": {"image": {"repository": "registry.invalid/nowhere"}}}}}
_NO_GPU: Object = {"predictor": {"budget": {"gpuMemoryGB": 24}}}


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up()
    with release.forwarded() as url:
        asyncio.run(put_document(url))
    return release


@pytest.fixture(scope="module")
def registry(
    installed: Release, ours: Space, built: Images, storage_class: str, tmp_path_factory: pytest.TempPathFactory
) -> Registry:
    here = tmp_path_factory.mktemp("registry")
    folder: Path = models.folder(here)
    served = models.on_claim(ours, built.small, storage_class)
    return models.registry(installed, here, {MODEL: {"source": str(folder), "served_from": served}})


@pytest.fixture(scope="module")
def deployed(registry: Registry) -> str:
    """What was said while the candidate came."""
    began_s = time.monotonic()
    done = registry.tandem("deploy", MODEL, "--timeout", "120")
    assert done.code == 0, done.err
    record("model_deploy_s", round(time.monotonic() - began_s, 1))
    return done.err


def test_a_candidate_comes_up_beside_what_serves(deployed: str, ours: Space, registry: Registry) -> None:
    stages = [line.split()[0] for line in deployed.splitlines() if line and line[0] not in "+-@ "]
    assert stages[-1] == "ready" and set(stages) <= {"accepted", "scheduling", "image", "load", "warm-up", "ready"}
    assert "load" in stages
    notes = ours.get(_SERVICES, "tandem-candidate")["metadata"]["annotations"]
    assert notes["tandem.dev/model-version"].startswith("sha256:")
    assert (notes["tandem.dev/dataset"], notes["tandem.dev/training-run"]) == (DATASET, RUN)
    # Nobody is answered from it.
    with registry.release.forwarded() as url:
        assert asyncio.run(ask(url)).tandem["model"] == "extractive"
    # The one file of its folder was found without being named.
    (pod,) = ours.items("pods", "--selector", f"{models.OF_SERVICE}=tandem-candidate")
    env = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
    assert env["TANDEM_PREDICTOR__MODEL"].startswith("/mnt/models/SmolLM2")


def test_an_answer_leads_back_to_the_data_set(deployed: str, ours: Space, registry: Registry) -> None:
    refused = registry.tandem("promote", MODEL)
    assert refused.code == 1 and "The gate holds" in refused.err
    done = registry.tandem("promote", MODEL, "--force", "asked by hand", "--take-over", "--timeout", "120")
    assert done.code == 0, done.err
    # Their volumes follow within a minute; a pod that is touched is looked after at once.
    ours.kubectl("annotate", "pods", "--selector", "app.kubernetes.io/component=gateway", "tandem-e2e=touched")
    with registry.release.forwarded() as url:

        def told() -> Object | None:
            answered = asyncio.run(ask(url)).tandem
            assert answered["model"].startswith("SmolLM2")
            found = registry.lineage(answered["receipt_id"], "--url", url, "--api-key", CALLER, "-o", "json")
            return json.loads(found.out) if found.code == 0 else None

        found = until("a receipt that tells the data set", told, within_s=100, every_s=3)
    assert found["told_by"] == "the receipt"
    assert (found["ancestry"]["dataset"], found["ancestry"]["training_run"]) == (DATASET, RUN)
    listed = registry.lineage(MODEL, "--release", "tandem", "--namespace", ours.name, "-o", "json")
    assert json.loads(listed.out)["gate"]["forced"] == "asked by hand"

    back = registry.tandem("rollback", "--timeout", "120")
    assert back.code == 0 and back.err.splitlines()[-1].startswith("ready"), back.err
    with registry.release.forwarded() as url:
        assert asyncio.run(ask(url)).tandem["model"] == "extractive"


@pytest.mark.parametrize(
    ("fault", "stage", "why"),
    [(_NO_IMAGE, "image", "ErrImagePull: "), (_NO_GPU, "scheduling", "Insufficient nvidia.com/gpu")],
    ids=["image", "gpu"],
)
def test_what_cannot_start_is_told_with_why(
    registry: Registry, ours: Space, fault: Object, stage: str, why: str
) -> None:
    ours.kubectl("delete", _SERVICES, "tandem-candidate", "--ignore-not-found")
    registry.release.begin(fault)
    done = registry.tandem("deploy", MODEL, "--timeout", "8")
    (told,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert done.code == 1
    assert told.startswith(f"error: tandem-candidate is not ready after 8 s, it is at {stage}: ") and why in told
    assert "hint: It stays as it is: tandem doctor " in done.err
    # What served before serves on.
    with registry.release.forwarded() as url:
        assert asyncio.run(ask(url)).tandem["model"] == "extractive"
