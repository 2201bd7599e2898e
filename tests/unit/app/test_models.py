from pathlib import Path

import pytest

from tandem.app.models import RegisteredModel, model_source
from tandem.app.settings import Settings, load_settings
from tandem.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("source", "revision", "kind"),
    [
        ("hf://org/m", "v2", "HubModel"),
        ("mlflow://m@champion", "7", "MlflowModel"),
        ("mlflow://m/3", "champion", "MlflowModel"),
        ("s3://models/m", None, "BucketModel"),
        ("/models/m", None, "FolderModel"),
        ("oci://registry:5000/org/m:v1", None, "OciModel"),
        ("oci+native://registry/m", "v2", "OciModel"),
    ],
)
def test_a_source_is_opened_by_its_scheme(source: str, revision: str | None, kind: str) -> None:
    found = model_source("m", RegisteredModel(source=source, server="http://mlflow:5000"), revision)
    assert type(found).__name__ == kind


@pytest.mark.parametrize(
    ("source", "revision"),
    [
        ("ftp://m", None),
        ("hf://m", None),
        ("s3://models/m", "v2"),
        ("/models/m", "v2"),
        ("mlflow://m", "a/b"),
        ("oci://m", None),
        ("oci://registry/m", "a/b"),
    ],
)
def test_a_source_that_is_none(source: str, revision: str | None) -> None:
    with pytest.raises(ConfigurationError) as told:
        model_source("m", RegisteredModel(source=source, server="http://mlflow:5000"), revision)
    assert told.value.hint


def test_a_revision_goes_before_the_configured_one() -> None:
    told = RegisteredModel(source="mlflow://m@champion", server="http://mlflow:5000")
    found = model_source("m", told, "7")
    assert vars(found)["_version"] == "7"
    assert vars(found)["_alias"] is None


@pytest.mark.parametrize(
    ("source", "revision", "reference"),
    [
        ("oci://registry:5000/org/m:v1", "v2", "v2"),
        ("oci://registry:5000/org/m", "v2", "v2"),
        (f"oci://registry/m:v1@sha256:{'0' * 64}", f"sha256:{'1' * 64}", f"sha256:{'1' * 64}"),
        (f"oci://registry/m@sha256:{'0' * 64}", "v2", "v2"),
        ("oci://registry/m", None, "latest"),
    ],
)
def test_a_revision_goes_before_a_tag_and_a_digest(source: str, revision: str | None, reference: str) -> None:
    found = model_source("m", RegisteredModel(source=source), revision)
    assert vars(found)["_image"].reference == reference


@pytest.mark.parametrize(
    "text", ["models: {Bad_Name: {source: hf://a/b}}", "models: {m: {}}", "models: {m: {source: x, sources: y}}"]
)
def test_what_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tandem.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="models"):
        load_settings(tmp_path / "tandem.yaml")


def test_there_are_none_by_default() -> None:
    assert Settings().models == {}
