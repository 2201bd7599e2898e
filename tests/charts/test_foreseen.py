"""What `tandem doctor --values` reads of the chart: with Helm what it makes of the values, without it the values alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from charts.programs import program
from charts.rendering import CHART
from tandem.domain.errors import ConfigurationError
from tandem.platform import planned
from tandem.platform.objects import at, component_of, name_of
from tandem.platform.placement import requested
from tandem.platform.planned import Planned

GPU = CHART / "values-8b-a10g.yaml"
KEYS = {"existingSecrets": {"keysFile": {"name": "keys"}, "retriever": {"name": "own"}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def planned_for(folder: Path, values: Any, *files: Path) -> Planned:
    own = folder / "own.yaml"
    own.write_text(json.dumps(values))
    return planned.plan([*files, own], str(CHART), "tandem", "rag", "v1.34.4")


@pytest.fixture
def helm(monkeypatch: pytest.MonkeyPatch) -> None:
    found = program("helm")
    monkeypatch.setattr("tandem.platform.planned.shutil.which", lambda _: found)


@pytest.fixture
def no_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.platform.planned.shutil.which", lambda _: None)


def predictor(found: Planned) -> Any:
    (one,) = [each for each in found.objects["Deployment"] if component_of(each) == "predictor"]
    return one


@pytest.mark.usefixtures("helm")
def test_what_the_chart_makes_and_its_controllers_after_it(folder: Path) -> None:
    found = planned_for(folder, KEYS, GPU)
    template = at(predictor(found), "spec", "template")
    assert requested(template)["nvidia.com/gpu"] == 1
    assert template["spec"]["nodeSelector"]["tandem.dev/pool"] == "gpu-a10g"
    assert {"name": "REVISION", "value": "db1f81ad4b8c7e39777509fac66c652eb0a52f91"} in template["spec"]["containers"][
        0
    ]["env"]
    claims = {name_of(each) for each in found.objects["PersistentVolumeClaim"]}
    assert "data-tandem-retriever-0" in claims
    assert found.needs["serving.kserve.io/v1beta1"] == {"InferenceService"}
    assert found.values["predictor"]["budget"]["weightsGB"] == 5.8
    assert {component_of(each) for each in found.objects["Pod"]} == {"gateway", "retriever", "predictor"}


@pytest.mark.usefixtures("helm")
def test_values_that_the_chart_does_not_take_are_told_in_its_own_words(folder: Path) -> None:
    found = planned_for(folder, {**KEYS, "predictor": {"budget": {"maxConcurrentRequests": 90}}}, GPU)
    assert found.refused.startswith("predictor.budget: hf://hugging-quants/")
    assert "\n" not in found.refused
    assert "replicaCount" in planned_for(folder, {**KEYS, "gateway": {"replicaCount": "two"}}, GPU).refused


@pytest.mark.usefixtures("helm")
def test_a_chart_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read") as told:
        planned.plan([GPU], str(folder / "absent"), "tandem", "rag", "")
    assert "--chart" in str(told.value.hint)


@pytest.mark.usefixtures("no_helm")
def test_without_helm_the_values_alone_are_read(folder: Path) -> None:
    found = planned_for(folder, {"retriever": {"persistence": {"storageClass": "fast"}}}, GPU)
    assert not found.whole
    assert requested(at(predictor(found), "spec", "template"))["nvidia.com/gpu"] == 1
    classes = {at(each, "spec", "storageClassName") for each in found.objects["PersistentVolumeClaim"]}
    assert classes == {"fast", None}
    assert planned_for(folder, {"gateway": {"enabled": None}}).values["predictor"]["runtime"] == "tgi"


@pytest.mark.usefixtures("no_helm")
@pytest.mark.parametrize(
    "values", [{"gateway": "yes"}, {"gateway": {"resources": {"requests": {"cpu": "much"}}}}, [1], {"predictor": [1]}]
)
def test_values_that_make_no_sense(folder: Path, values: Any) -> None:
    with pytest.raises(ConfigurationError):
        planned_for(folder, values)


def test_files_that_cannot_be_read(folder: Path) -> None:
    broken = folder / "broken.yaml"
    broken.write_text("a: [")
    binary = folder / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (broken, binary, folder, folder / "absent.yaml"):
        with pytest.raises(ConfigurationError) as told:
            planned.merged_files([file])
        assert "\n" not in told.value.message
