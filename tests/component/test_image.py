"""What an image holds, read from its archive layer by layer; no builder and no daemon needed."""

import json
import os
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_MB = 1_000_000
# Compressed, as a node pulls it. Only code comes anew with a new version whose packages are the same.
_MOST = {"packages": 178 * _MB, "model": 150 * _MB, "code": 4.5 * _MB}
# What EXTRA=platform adds to the packages.
_CLIENT = 10 * _MB
_UNWANTED = {"as", "c++", "cc", "curl", "g++", "gcc", "git", "ld", "make", "pip", "pip3", "uv", "wget"}
_UNCHECKED = 1


@dataclass(frozen=True, slots=True)
class Layer:
    names: frozenset[str]
    modes: dict[str, int]
    bytecode: dict[str, int]
    size: int

    def below(self, folder: str) -> set[str]:
        return {name for name in self.names if name.startswith(f"{folder}/")}


@dataclass(frozen=True, slots=True)
class Image:
    config: dict[str, Any]
    history: str
    layers: tuple[Layer, ...]

    def names(self) -> set[str]:
        return set().union(*(layer.names for layer in self.layers))

    def holding(self, folder: str) -> list[int]:
        return [index for index, layer in enumerate(self.layers) if layer.below(folder)]


def _blob(archive: tarfile.TarFile, digest: str) -> Any:
    return archive.extractfile(f"blobs/{digest.replace(':', '/')}")


def _layer(archive: tarfile.TarFile, digest: str, size: int) -> Layer:
    names, modes, bytecode = set(), {}, {}
    with tarfile.open(fileobj=_blob(archive, digest), mode="r:*") as files:
        for member in files:
            name = member.name.removeprefix("./").strip("/")
            names.add(name)
            modes[name] = member.mode
            if name.endswith(".pyc"):
                held = files.extractfile(member)
                bytecode[name] = int.from_bytes(held.read(8)[4:], "little") if held else -1
    return Layer(frozenset(names), modes, bytecode, size)


def _read(path: Path) -> Image:
    with tarfile.open(path) as archive:
        index = json.load(archive.extractfile("index.json") or pytest.fail("no OCI archive"))
        manifest = json.load(_blob(archive, index["manifests"][0]["digest"]))
        config = json.load(_blob(archive, manifest["config"]["digest"]))
        layers = tuple(_layer(archive, layer["digest"], layer["size"]) for layer in manifest["layers"])
    return Image(config["config"], json.dumps(config["history"]), layers)


_ARCHIVES = os.environ.get("TANDEM_TEST_IMAGES", "").split(os.pathsep)


@pytest.fixture(scope="module", params=_ARCHIVES, ids=lambda path: Path(path).stem)
def image(request: pytest.FixtureRequest) -> Image:
    if not request.param:
        pytest.skip("no image: name archives made by scripts/image --output in TANDEM_TEST_IMAGES")
    return _read(Path(request.param))


def test_it_starts_as_a_numeric_user_without_rights(image: Image) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.config["Entrypoint"] == ["tandem"]
    assert image.config["StopSignal"] == "SIGTERM"
    # Kubernetes would lay an unnamed volume there, and take it away with the pod.
    assert "Volumes" not in image.config
    assert not [name for layer in image.layers for name, mode in layer.modes.items() if mode & 0o6000]


def test_it_says_what_it_is(image: Image) -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert labels["org.opencontainers.image.base.name"]


def test_layers_lie_in_the_order_in_which_they_change(image: Image) -> None:
    order = [image.holding(f"opt/tandem/{tree}") for tree in ("packages", "model", "code")]
    assert all(len(found) <= 1 for found in order)
    found = [layer for tree in order for layer in tree]
    assert found == sorted(found)
    assert order[-1] == [len(image.layers) - 1]


def test_each_layer_is_as_small_as_it_was(image: Image) -> None:
    client = any("/site-packages/kubernetes/" in name for name in image.names())
    for tree, most in _MOST.items():
        for index in image.holding(f"opt/tandem/{tree}"):
            more = _CLIENT if client and tree == "packages" else 0
            assert image.layers[index].size <= most + more, tree


def test_no_compiler_cache_test_or_source_is_left(image: Image) -> None:
    ours = [PurePosixPath(name) for layer in image.layers[1:] for name in layer.names]
    assert not [path for path in ours if path.parent.name in {"bin", "sbin"} and path.name in _UNWANTED]
    assert not [path for path in ours if path.parts[:1] == ("src",) or ".cache" in path.parts or path.suffix == ".whl"]
    assert not [path for path in ours if path.parts[:2] == ("opt", "tandem") and "tests" in path.parts]
    assert not [path for path in ours if path.parts[:2] == ("run", "secrets")]


def test_nothing_is_compiled_at_start(image: Image) -> None:
    bytecode = {name: flags for layer in image.layers for name, flags in layer.bytecode.items()}
    compiled = {f"{Path(name).parents[1]}/{Path(name).name.split('.')[0]}.py" for name in bytecode}
    code = {name for name in image.names() if name.startswith("opt/tandem/code/tandem/") and name.endswith(".py")}
    assert code
    assert code <= compiled
    standard = next(name for name in image.names() if name.endswith("/asyncio/__init__.py") and "site" not in name)
    assert standard in compiled
    # A registry that sets the times of files anew would make each start compile what is newer than its bytecode.
    assert not [name for name, flags in bytecode.items() if flags != _UNCHECKED]


def test_no_address_of_an_index_is_baked_in(image: Image) -> None:
    assert "uv.toml" not in {PurePosixPath(name).name for name in image.names()}
    assert "index" not in image.history.lower()
    assert not [value for value in image.config["Env"] if value.startswith(("UV_", "PIP_", "SSL_"))]
