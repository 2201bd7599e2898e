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
    ],
)
def test_a_source_is_opened_by_its_scheme(source: str, revision: str | None, kind: str) -> None:
    found = model_source("m", RegisteredModel(source=source, server="http://mlflow:5000"), revision)
    assert type(found).__name__ == kind


@pytest.mark.parametrize(
    ("source", "revision"),
    [("ftp://m", None), ("hf://m", None), ("s3://models/m", "v2"), ("/models/m", "v2"), ("mlflow://m", "a/b")],
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
    "text", ["models: {Bad_Name: {source: hf://a/b}}", "models: {m: {}}", "models: {m: {source: x, sources: y}}"]
)
def test_what_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tandem.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="models"):
        load_settings(tmp_path / "tandem.yaml")


def test_there_are_none_by_default() -> None:
    assert Settings().models == {}
