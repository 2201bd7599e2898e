"""A model that is an image of a registry: KServe runs it beside the engine, which reads the model out of it."""

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import modelcar, models
from e2e.figures import record
from e2e.forwarding import forwarded
from e2e.models import DATASET, MODEL, RUN, Registry
from e2e.release import Release
from e2e.space import Space
from fakes.image_registry import image_registry
from tandem.adapters.small.models import model_file

pytestmark = pytest.mark.timeout(300)
# KServe's modelcar does not run under `restricted`.
STANDARD = "baseline"
_BASE = "TANDEM_E2E_BASE"
_SERVICES = "inferenceservices.serving.kserve.io"


@pytest.fixture(scope="module")
def registry(release: Release, ours: Space, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One that this machine alone reaches: the nodes have the image already, by the name and digest that they are told."""
    if _BASE not in os.environ:
        pytest.skip(f"no base for an image of a model: name an archive of an image with a shell in {_BASE}")
    here = tmp_path_factory.mktemp("registry")
    weights = model_file("smollm2").path
    files = {f"models/{weights.name}": weights.read_bytes(), "models/README.md": b"# Support\n"}
    notes = {"tandem.dev/dataset": DATASET, "tandem.dev/training-run": RUN}
    with image_registry(here) as images:
        digest = modelcar.pushed(images, "v3", Path(os.environ[_BASE]), files, notes, here / "model.tar")
        ours.cluster.load_image(here / "model.tar")
        record("modelcar_bytes", (here / "model.tar").stat().st_size, digest=digest)
        release.up()
        source = f"oci://{images.host}/{images.repository}:v3"
        yield models.registry(release, here, {MODEL: {"source": source}})
    shutil.rmtree(here)


def test_an_image_of_a_model_is_served(registry: Registry, ours: Space) -> None:
    done = registry.tandem("deploy", MODEL, "--timeout", "120")
    assert done.code == 0 and done.err.splitlines()[-1].startswith("ready"), done.err
    notes = ours.get(_SERVICES, "tandem-candidate")["metadata"]["annotations"]
    assert (notes["tandem.dev/dataset"], notes["tandem.dev/training-run"]) == (DATASET, RUN)
    (pod,) = ours.items("pods", "--selector", f"{models.OF_SERVICE}=tandem-candidate")
    # The digest, never the tag.
    image = notes["tandem.dev/model-uri"].removeprefix("oci://")
    assert image.endswith(f"@{notes['tandem.dev/model-version']}")
    assert image in [each["image"] for each in pod["spec"]["containers"]]
    asked = {"inputs": "The capital of France is", "parameters": {"max_new_tokens": 4}}
    with forwarded(ours.cluster, ours.name, "svc/tandem-candidate-predictor", "80") as url:
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{url}/generate", json.dumps(asked).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert "Paris" in json.load(reply)["generated_text"]


def test_where_it_cannot_run_nothing_is_written(registry: Registry, ours: Space) -> None:
    ours.kubectl("delete", _SERVICES, "tandem-candidate", "--ignore-not-found")
    label = "pod-security.kubernetes.io/enforce"
    ours.cluster.kubectl("label", "namespace", ours.name, f"{label}=restricted", "--overwrite")
    try:
        done = registry.tandem("deploy", MODEL)
    finally:
        ours.cluster.kubectl("label", "namespace", ours.name, f"{label}={STANDARD}", "--overwrite")
    assert done.code == 1 and "enforces restricted pod security" in done.err
    assert [each["metadata"]["name"] for each in ours.items(_SERVICES)] == ["tandem"]
