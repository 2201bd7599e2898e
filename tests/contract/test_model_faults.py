"""What the places that models are kept in, and the disk here, may do wrong."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.live_http import Silent, live_http
from fakes.model_hub import Repository, model_hub, use_hub
from fakes.object_store import aws_variables, object_store
from tandem.adapters.models.bucket import BucketModel
from tandem.adapters.models.hub import HubModel
from tandem.adapters.models.mlflow import MlflowModel
from tandem.domain.errors import ConfigurationError, PermissionDenied, UnknownModel, UpstreamUnavailable
from tandem.ports.models import ModelSource

FILES = {"config.json": b"{}", "m.safetensors": b"w" * 100}
OUTSIDE = {**FILES, "../../stolen.safetensors": b"x"}
GGUFS = {"a.Q4.gguf": b"GGUF4", "a.Q8.gguf": b"GGUF88888"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with object_store() as url:
        for name, value in aws_variables(url).items():
            monkeypatch.setenv(name, value)
        yield


def keep(prefix: str, files: Mapping[str, bytes]) -> None:
    import fsspec

    s3 = fsspec.filesystem("s3", skip_instance_cache=True)
    s3.makedirs("models", exist_ok=True)
    for name, content in files.items():
        s3.pipe_file(f"models/{prefix}/{name}", content)


class Tracking(Silent):
    """As much of MLflow's API as one version needs; the server says what is in its artifacts."""

    uri = "mlflow-artifacts:/0/run/artifacts/model"
    files: Mapping[str, bytes] = {}

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/api/2.0/mlflow")
        told: Any = {
            "/model-versions/get": {"model_version": {"version": "1"}},
            "/model-versions/get-download-uri": {"artifact_uri": self.uri},
            "-artifacts/artifacts": {
                "files": [{"path": name, "file_size": len(each)} for name, each in self.files.items()]
            },
        }.get(path)
        if told is not None:
            self.say(200, json.dumps(told).encode())
        else:
            self.say(200, next(each for name, each in self.files.items() if path.endswith(f"/model/{name}")))


@pytest.fixture
def tracked(request: pytest.FixtureRequest) -> Iterator[str]:
    class Handler(Tracking):
        uri, files = request.param

    with live_http(Handler) as url:
        yield url


@pytest.fixture
def target(tmp_path: Path) -> Path:
    place = tmp_path / "in" / "here"
    place.mkdir(parents=True)
    return place


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob("*") if each.is_file() and ".cache" not in each.parts)


async def pulled(source: ModelSource, target: Path) -> list[str]:
    await source.pull(await source.resolve(), str(target), lambda *_: None)
    return names(target)


async def refused(source: ModelSource, target: Path) -> None:
    with pytest.raises(ConfigurationError, match="outside of the model's folder") as told:
        await pulled(source, target)
    assert told.value.hint
    assert "stolen.safetensors" not in names(target.parents[1])


async def test_a_bucket_that_lists_a_file_outside(store: None, target: Path) -> None:
    keep("outside", OUTSIDE)
    await refused(BucketModel("m", "s3://models/outside"), target)


async def test_a_hub_that_lists_a_file_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: Path) -> None:
    with model_hub({"org/m": Repository(OUTSIDE)}) as url:
        use_hub(monkeypatch, url, tmp_path / "home")
        await refused(HubModel("m", "hf://org/m"), target)


@pytest.mark.parametrize("tracked", [(Tracking.uri, OUTSIDE)], indirect=True)
async def test_an_mlflow_that_lists_a_file_outside(tracked: str, target: Path) -> None:
    await refused(MlflowModel("m", "mlflow://m/1", tracked, None), target)


async def test_a_disk_without_room_is_not_blamed_on_the_store(store: None, target: Path) -> None:
    keep("tuned", FILES)
    (target / "m.safetensors").symlink_to("/dev/full")
    with pytest.raises(ConfigurationError, match="cannot be written: No space left on device") as told:
        await pulled(BucketModel("m", "s3://models/tuned"), target)
    assert told.value.hint


async def test_a_bucket_without_credentials_is_not_blamed_on_the_network(
    store: None, monkeypatch: pytest.MonkeyPatch, target: Path
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    with pytest.raises(PermissionDenied, match=r"may not be read: .*[Cc]redentials") as told:
        await BucketModel("m", "s3://models/tuned").resolve()
    assert "AWS_PROFILE" in str(told.value.hint)


async def test_a_folder_that_is_none_is_not_blamed_on_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with model_hub({"org/m": Repository(FILES)}) as url:
        use_hub(monkeypatch, url, tmp_path)
        (tmp_path / "hub").write_text("a file where the cache should be")
        with pytest.raises(ConfigurationError, match=r"cannot be written to .*hub.*: Not a directory"):
            await HubModel("m", "hf://org/m").resolve()


async def test_a_private_repository_takes_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with model_hub({"org/m": Repository(FILES, private=True, readers=("reader",))}) as url:
        use_hub(monkeypatch, url, tmp_path)
        with pytest.raises(UnknownModel, match="or it is private"):
            await HubModel("m", "hf://org/m").resolve()
        monkeypatch.setenv("HF_TOKEN", "reader")
        # So that it is deployed to no predictor that has none.
        assert (await HubModel("m", "hf://org/m").resolve()).gated


@pytest.mark.parametrize(("token", "header"), [("a.b", "Bearer a.b"), ("ann:secret", "Basic YW5uOnNlY3JldA==")])
async def test_mlflow_is_shown_a_token_or_a_password(token: str, header: str) -> None:
    shown = []

    class Guarded(Tracking):
        def do_GET(self) -> None:
            shown.append(self.headers["authorization"])
            self.say(401, b'{"message": "who?"}')

    with live_http(Guarded) as url, pytest.raises(PermissionDenied, match="who"):
        await MlflowModel("m", "mlflow://m/1", url, token).resolve()
    assert shown == [header]


def test_a_password_in_an_address_would_be_seen() -> None:
    with pytest.raises(ConfigurationError, match="holds a password") as raised:
        MlflowModel("m", "mlflow://m/1", "http://ann:secret@mlflow:5000", None)
    assert "secret" not in raised.value.message and "server_token" in (raised.value.hint or "")


@pytest.mark.parametrize("told", [{}, [], {"model_version": 3}, {"model_version": {"version": "1"}}])
async def test_what_is_no_mlflow_is_told_as_such(told: Any) -> None:
    class Odd(Silent):
        def do_GET(self) -> None:
            self.say(200, json.dumps(told).encode())

    with live_http(Odd) as url, pytest.raises(UpstreamUnavailable, match="does not answer as MLflow does") as raised:
        await MlflowModel("m", "mlflow://m/1", url, None).resolve()
    assert raised.value.hint


@pytest.mark.parametrize("tracked", [(Tracking.uri, GGUFS), ("s3://models/ggufs", {})], indirect=True)
@pytest.mark.parametrize("kind", ["bucket", "mlflow"])
async def test_of_several_ggufs_one_is_named(kind: str, tracked: str, store: None, target: Path) -> None:
    keep("ggufs", GGUFS)

    def source(file: str) -> ModelSource:
        if kind == "bucket":
            return BucketModel("m", "s3://models/ggufs", file)
        return MlflowModel("m", "mlflow://m/1", tracked, None, file)

    assert (await source("").resolve()).weight_bytes is None
    one = await source("a.Q4.gguf").resolve()
    assert ([each.path for each in one.weights], one.weight_bytes) == (["a.Q4.gguf"], 5)
    assert await pulled(source("a.Q4.gguf"), target) == ["a.Q4.gguf"]
    with pytest.raises(UnknownModel, match=r"has no b\.gguf"):
        await source("b.gguf").resolve()


@pytest.mark.parametrize("tracked", [("s3://models/tuned", {}), ("file:///there", {})], indirect=True)
async def test_what_mlflow_keeps_elsewhere(tracked: str, store: None, target: Path) -> None:
    keep("tuned", FILES)
    source = MlflowModel("m", "mlflow://m/1", tracked, None)
    found = await source.resolve()
    if found.uri:
        assert (found.uri, found.version, found.weight_bytes) == ("s3://models/tuned", "1", 100)
        assert await pulled(source, target) == sorted(FILES)
        keep("tuned", {"m.safetensors": b"y" * 100})
        with pytest.raises(UnknownModel, match="has changed"):
            await source.pull(found, str(target), lambda *_: None)
    else:
        assert "KServe does not read file:///there" in found.unserved
        with pytest.raises(ConfigurationError, match="does not hand it out"):
            await pulled(source, target)
