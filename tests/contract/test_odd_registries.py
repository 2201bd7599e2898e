"""Registries of images that send other bytes, other forms, or us somewhere else."""

import base64
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fakes.image_registry import IMAGE_CONFIG, INDEX, LAYER, MANIFEST, TITLE
from fakes.live_http import Silent, live_http
from tandem.adapters.models.oci import OciModel
from tandem.domain.errors import PermissionDenied, TandemError, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import ModelVersion

WEIGHTS, OTHER = b"GGUF", b"FAKE"


def digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def named(content: bytes, kind: str, **notes: str) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(content), "size": len(content), "annotations": notes}


def files(content: bytes) -> bytes:
    """The manifest of an artefact with one file."""
    layers = [named(content, LAYER, **{TITLE: "m.gguf"})]
    return json.dumps({"mediaType": MANIFEST, "config": named(b"{}", "empty"), "layers": layers}).encode()


def index(*manifests: Any) -> bytes:
    return json.dumps({"mediaType": INDEX, "manifests": manifests}).encode()


class Registry(Silent):
    """Gives what it has, by tag or digest; `says` comes before it, and headers that it was shown are kept."""

    has: dict[str, bytes]
    says: dict[str, tuple[int, dict[str, str]]]
    shown: list[tuple[str, str, str]]

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        self.shown.append((self.command, name, self.headers.get("authorization", "")))
        status, headers = self.says.get(name, (200, {}))
        if status == 200 and name in self.has:
            self.say(200, self.has[name])
        elif status == 200:
            self.say(404)
        else:
            self.say(status, b"{}", **headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.shown.append((self.command, self.path.rpartition("/")[2], body))
        status, headers = self.says.get(self.path.rpartition("/")[2], (200, {}))
        self.say(status, b"{}", **headers)


Running = tuple[type[Registry], str]


def fresh() -> type[Registry]:
    return type("Fresh", (Registry,), {"has": {}, "says": {}, "shown": []})


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def registry() -> Iterator[Running]:
    kept = fresh()
    with live_http(kept) as url:
        yield kept, url.removeprefix("http://")


@pytest.fixture
def elsewhere() -> Iterator[Running]:
    kept = fresh()
    with live_http(kept) as url:
        yield kept, url


def at(host: str, tag: str = "v1", config: Path | None = None) -> OciModel:
    return OciModel("m", f"oci://{host}/org/m{'@' if tag.startswith('sha256:') else ':'}{tag}", config)


def logged_in(folder: Path, host: str, **told: str) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"auths": {host: told or {"auth": base64.b64encode(b"reader:secret").decode()}}}))
    return path


async def test_a_manifest_is_held_to_the_digest_that_an_index_names(registry: Running) -> None:
    kept, host = registry
    good = files(WEIGHTS)
    kept.has = {"v1": index(named(good, MANIFEST)), digest(good): files(OTHER), digest(OTHER): OTHER}
    with pytest.raises(UpstreamUnavailable, match=f"sent other bytes than {digest(good)} says"):
        await at(host).resolve()


async def test_what_is_pulled_is_held_to_the_version(registry: Running, tmp_path: Path) -> None:
    kept, host = registry
    good = files(WEIGHTS)
    kept.has = {"v1": good, digest(good): files(OTHER), digest(OTHER): OTHER}
    version = await at(host).resolve()
    with pytest.raises(UpstreamUnavailable, match=f"sent other bytes than {digest(good)} says"):
        await at(host).pull(version, str(tmp_path), lambda *_: None)
    assert not (tmp_path / "m.gguf").exists()


async def described(registry: Running, content: bytes, sent: bytes) -> ModelVersion:
    """An image with that configuration, of which the registry makes something else."""
    kept, host = registry
    manifest = {"mediaType": MANIFEST, "config": named(content, IMAGE_CONFIG), "layers": [named(b"z", f"{LAYER}+zstd")]}
    kept.has = {"v1": json.dumps(manifest).encode(), digest(content): sent}
    return await at(host).resolve()


async def test_labels_are_read_whole_and_held_to_their_digest(registry: Running) -> None:
    labels = {"tandem.dev/dataset": "support@3", "padding": "x" * 900_000}
    large = json.dumps({"config": {"Labels": labels}}).encode()
    assert (await described(registry, large, large)).ancestry.dataset == "support@3"
    with pytest.raises(UpstreamUnavailable, match="sent other bytes"):
        await described(registry, large, large.replace(b"support@3", b"support@4"))


@pytest.mark.parametrize(
    "content",
    [
        index({}),
        index("x"),
        index({"digest": "sha256:../../other"}),
        index({"digest": 3, "platform": []}),
        b'{"manifests": 3}',
        json.dumps({"config": {"digest": "../..", "size": 2}, "layers": []}).encode(),
    ],
)
async def test_what_names_nothing_is_told_as_such(registry: Running, content: bytes) -> None:
    kept, host = registry
    kept.has = {"v1": content}
    with pytest.raises(UnknownModel):
        await at(host).resolve()


async def test_an_empty_card_is_no_fault(registry: Running) -> None:
    kept, host = registry
    layers = [named(WEIGHTS, LAYER, **{TITLE: "m.gguf"}), named(b"", LAYER, **{TITLE: "README.md"})]
    kept.has = {"v1": json.dumps({"mediaType": MANIFEST, "config": named(b"{}", "empty"), "layers": layers}).encode()}
    assert {each.path for each in (await at(host).resolve()).files} == {"m.gguf", "README.md"}


async def test_who_a_registry_sends_us_to_learns_no_login(
    registry: Running, elsewhere: Running, tmp_path: Path
) -> None:
    kept, host = registry
    other, url = elsewhere
    realm = {"www_authenticate": f'Bearer realm="{url}/token",service="x"'}
    kept.says = {"v1": (307, {"location": f"{url}/blobs/here"})}
    other.says = {"here": (401, realm), "token": (200, {})}
    with pytest.raises(PermissionDenied):
        await at(host, config=logged_in(tmp_path, host)).resolve()
    assert [name for _, name, _ in other.shown] == ["here"]
    assert {authorization for *_, authorization in other.shown} == {""}


async def test_a_token_is_posted_to_nobody_but_whom_the_registry_names(
    registry: Running, elsewhere: Running, tmp_path: Path
) -> None:
    kept, host = registry
    other, url = elsewhere
    kept.says = {
        "v1": (401, {"www_authenticate": f'Bearer realm="http://{host}/token",service="x"'}),
        "token": (307, {"location": f"{url}/token"}),
    }
    with pytest.raises(TandemError):
        await at(host, config=logged_in(tmp_path, host, identitytoken="identity")).resolve()
    assert "identity" in next(body for how, _, body in kept.shown if how == "POST")
    assert other.shown == []
