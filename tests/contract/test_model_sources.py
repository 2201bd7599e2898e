"""One suite over every place that models are kept in."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.image_registry import ImageRegistry, image_registry
from fakes.mlflow_server import mlflow, registered
from fakes.model_hub import Repository, model_hub, use_hub
from fakes.object_store import aws_variables, object_store
from tandem.adapters.models.bucket import BucketModel
from tandem.adapters.models.folder import FolderModel
from tandem.adapters.models.hub import HubModel
from tandem.adapters.models.mlflow import MlflowModel
from tandem.adapters.models.oci import OciModel
from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import Shape
from tandem.ports.models import ModelSource

CONFIG = json.dumps(
    {
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_size": 4096,
        "max_position_embeddings": 8192,
    }
).encode()
CARD = b"---\ndatasets: [feedback@3]\nbase_model: org/base\ntraining_run: run-7\n---\n# A model\n"
FILES = {
    "README.md": CARD,
    "config.json": CONFIG,
    "model-00001.safetensors": b"a" * 700,
    "model-00002.safetensors": b"b" * 300,
}


@dataclass(frozen=True, slots=True)
class Place:
    """`kept` has FILES, `absent` names what is not there, `away` a server that does not answer (None: there is no server)."""

    kept: Callable[[], ModelSource]
    absent: tuple[Callable[[], ModelSource], ...]
    away: Callable[[], ModelSource] | None
    uri: str
    # MLflow's runs say what they read, and its files have no digests: a version's number stands for them.
    has_runs: bool = False
    # Files come within archives, which have the digests, and are counted as they lie there.
    archived: bool = False


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    found = Repository(FILES, refs={"v1": "a" * 40})
    gated = Repository(FILES, gated=True, readers=("reader",))
    with model_hub({"org/open": found, "org/gated": gated}) as url:
        use_hub(monkeypatch, url, tmp_path)

        def away() -> ModelSource:
            use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path)
            return HubModel("m", "hf://org/open")

        yield Place(
            lambda: HubModel("m", "hf://org/open@main"),
            (lambda: HubModel("m", "hf://org/none"), lambda: HubModel("m", "hf://org/open@v9")),
            away,
            f"hf://org/open:{found.commit}",
        )


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    place = tmp_path / "model"
    written(place, FILES)
    return Place(lambda: FolderModel("m", place), (lambda: FolderModel("m", tmp_path / "none"),), None, "")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    import fsspec

    with object_store() as url:
        for name, value in aws_variables(url).items():
            monkeypatch.setenv(name, value)
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.makedirs("models", exist_ok=True)
        for name, content in FILES.items():
            files.pipe_file(f"models/tuned/{name}", content)
        yield Place(
            lambda: BucketModel("m", "s3://models/tuned/"),
            (lambda: BucketModel("m", "s3://models/none"), lambda: BucketModel("m", "s3://nowhere/none")),
            None,
            "s3://models/tuned",
        )


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def mlflow_registry(mlflow_server: str) -> Place:
    registered(mlflow_server, "tuned", FILES)
    return Place(
        lambda: MlflowModel("m", "mlflow://tuned@champion", mlflow_server, None),
        (
            lambda: MlflowModel("m", "mlflow://none", mlflow_server, None),
            lambda: MlflowModel("m", "mlflow://tuned/99", mlflow_server, None),
            lambda: MlflowModel("m", "mlflow://tuned@nobody", mlflow_server, None),
        ),
        lambda: MlflowModel("m", "mlflow://tuned", "http://127.0.0.1:9", None),
        "",
        has_runs=True,
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with image_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def in_registry(registry: ImageRegistry, tag: str, uri: str, *, archived: bool) -> Place:
    def at(image: str) -> OciModel:
        return OciModel("m", f"oci://{image}")

    return Place(
        lambda: at(f"{registry.host}/org/m:{tag}"),
        (
            lambda: at(f"{registry.host}/org/none:v1"),
            lambda: at(f"{registry.host}/org/m:v99"),
            lambda: at(f"{registry.host}/org/m@sha256:{'0' * 64}"),
        ),
        lambda: at("127.0.0.1:9/org/m:v1"),
        uri,
        archived=archived,
    )


@pytest.fixture
def artefact(registry: ImageRegistry) -> Place:
    registry.files("files", FILES)
    return in_registry(registry, "files", "", archived=False)


@pytest.fixture
def image(registry: ImageRegistry) -> Place:
    below = registry.layer({"bin/sh": b"#!", "models/model-00002.safetensors": b"old"})
    held = registry.layer({f"models/{name}": content for name, content in FILES.items()})
    digest = registry.image("image", [below, held])
    return in_registry(registry, "image", f"oci://{registry.host}/org/m@{digest}", archived=True)


def written(place: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)


@pytest.fixture(params=["hub", "folder", "bucket", "mlflow_registry", "artefact", "image"])
def place(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


async def test_a_name_becomes_a_version_that_stays(place: Place) -> None:
    first, again = await place.kept().resolve(), await place.kept().resolve()
    assert first == again
    assert first.version
    assert first.uri == place.uri
    assert bool(first.uri) != bool(first.unserved)


async def test_its_files_its_size_and_its_shape_are_told(place: Place) -> None:
    found = await place.kept().resolve()
    assert {each.path: each.size for each in found.files} == {name: len(content) for name, content in FILES.items()}
    assert (found.format, found.weight_bytes, len(found.weights)) == ("safetensors", 1000, 2)
    assert place.has_runs or place.archived or all(each.digest for each in found.weights)
    assert found.shape == Shape(layers=32, kv_heads=8, head_size=128, context_tokens=8192)
    assert found.shape.kv_bytes_per_token() == 131072


async def test_what_it_was_made_from_is_told(place: Place) -> None:
    told = (await place.kept().resolve()).ancestry
    assert told.base_model == "org/base"
    if place.has_runs:
        assert told.dataset == "support@abc"
        assert len(told.training_run or "") == 32
    else:
        assert (told.dataset, told.training_run) == ("feedback@3", "run-7")


async def test_its_files_are_brought(place: Place, tmp_path: Path) -> None:
    source, told, target = place.kept(), [], tmp_path / "pulled"
    target.mkdir()
    await source.pull(await source.resolve(), str(target), lambda done, total: told.append((done, total)))
    assert {name: (target / name).read_bytes() for name in FILES} == FILES
    done, total = told[-1]
    assert done == total
    assert place.archived or total == sum(map(len, FILES.values()))


async def test_what_does_not_exist_is_said(place: Place) -> None:
    for absent in place.absent:
        with pytest.raises(UnknownModel) as raised:
            await absent().resolve()
        one_line(raised.value)


async def test_a_server_that_does_not_answer_is_said(place: Place) -> None:
    if place.away is None:
        return
    with pytest.raises(UpstreamUnavailable) as raised:
        await place.away().resolve()
    one_line(raised.value)


async def test_gated_is_told_before_anything_is_brought(hub: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermissionDenied, match="is gated, and there is no token") as without:
        await HubModel("m", "hf://org/gated").resolve()
    monkeypatch.setenv("HF_TOKEN", "stranger")
    with pytest.raises(PermissionDenied, match="the token may not read it: Access to model org/gated") as stranger:
        await HubModel("m", "hf://org/gated").resolve()
    assert all(each.value.hint and "Accept its terms" in each.value.hint for each in (without, stranger))
    monkeypatch.setenv("HF_TOKEN", "reader")
    assert (await HubModel("m", "hf://org/gated").resolve()).gated


async def test_a_tag_is_resolved_to_its_commit(hub: Place) -> None:
    found = await HubModel("m", "hf://org/open@v1").resolve()
    assert (found.asked, found.version, found.uri) == ("v1", "a" * 40, f"hf://org/open:{'a' * 40}")


@pytest.mark.parametrize(
    "source", ["hf://org", "hf://org/name@a@b", "hf://org/name:a", "hf://org/name/file.gguf", "hf://"]
)
def test_a_source_that_names_no_repository(source: str) -> None:
    with pytest.raises(ConfigurationError):
        HubModel("m", source)


async def test_of_several_ggufs_one_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = Repository({"a.Q4.gguf": b"GGUF4", "a.Q8.gguf": b"GGUF88888"})
    with model_hub({"org/ggufs": found}) as url:
        use_hub(monkeypatch, url, tmp_path)
        assert (await HubModel("m", "hf://org/ggufs").resolve()).weight_bytes is None
        one = await HubModel("m", "hf://org/ggufs", "a.Q4.gguf").resolve()
        assert (one.weight_bytes, one.uri) == (5, f"hf://org/ggufs@{found.commit}/a.Q4.gguf")
        with pytest.raises(UnknownModel, match=r"has no b\.gguf"):
            await HubModel("m", "hf://org/ggufs", "b.gguf").resolve()


async def test_mlflow_by_number_by_alias_or_the_newest(mlflow_registry: Place, mlflow_server: str) -> None:
    del mlflow_registry
    last = registered(mlflow_server, "tuned", FILES)
    for source in ("mlflow://tuned", "mlflow://tuned@champion", f"mlflow://tuned/{last}"):
        assert (await MlflowModel("m", source, mlflow_server, None).resolve()).version == last
    assert (await MlflowModel("m", "mlflow://tuned/1", mlflow_server, None).resolve()).version == "1"


@pytest.mark.parametrize(
    ("source", "server"), [("mlflow://", "http://m"), ("mlflow://a/b", "http://m"), ("mlflow://a", None)]
)
def test_a_source_that_names_no_model_of_mlflow(source: str, server: str | None) -> None:
    with pytest.raises(ConfigurationError):
        MlflowModel("m", source, server, None)


async def test_other_objects_are_another_version(bucket: Place, tmp_path: Path) -> None:
    import fsspec

    source = bucket.kept()
    first = await source.resolve()
    fsspec.filesystem("s3", skip_instance_cache=True).pipe_file("models/tuned/model-00002.safetensors", b"c" * 300)
    assert (await source.resolve()).version != first.version
    with pytest.raises(UnknownModel, match="has changed"):
        await source.pull(first, str(tmp_path), lambda *_: None)


async def test_other_content_in_a_folder_is_another_version(tmp_path: Path) -> None:
    written(tmp_path / "m", FILES)
    source = FolderModel("m", tmp_path / "m")
    first = await source.resolve()
    (tmp_path / "m" / "model-00002.safetensors").write_bytes(b"c" * 300)
    second = await source.resolve()
    assert first.version != second.version
    with pytest.raises(UnknownModel, match="has changed"):
        await source.pull(first, str(tmp_path), lambda *_: None)


async def test_a_folder_without_weights(tmp_path: Path) -> None:
    written(tmp_path / "m", {"notes.txt": b"none", "optimizer.pt": b"x"})
    with pytest.raises(UnknownModel, match="holds no weights"):
        await FolderModel("m", tmp_path / "m").resolve()


def one_line(error: TandemError) -> None:
    assert error.hint
    assert "\n" not in error.message + error.hint
