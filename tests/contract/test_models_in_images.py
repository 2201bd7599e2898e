"""Models in a registry of images: every way to put one there, logins, and what goes wrong on the way."""

import asyncio
import base64
import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fakes.image_registry import LAYER, PASSWORD, TITLE, USER, ImageRegistry, archive, image_registry
from fakes.live_http import Silent, live_http
from tandem.adapters.models.oci import OciModel
from tandem.domain.errors import ConfigurationError, PermissionDenied, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import Ancestry, ModelVersion

WEIGHTS = bytes(range(256)) * 4000
KIT = "application/vnd.kitops.modelkit.model.v1.tar"
PACK = "application/vnd.cncf.model."
PATH = "org.cncf.model.filepath"
NOTES = {"tandem.dev/dataset": "support@3", "tandem.dev/training-run": "run-9", "tandem.dev/base-model": "org/base"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with image_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is logged in."""
    monkeypatch.setenv("HOME", str(tmp_path))


def at(registry: ImageRegistry, reference: str, config: Path | None = None) -> OciModel:
    joint = "@" if reference.startswith("sha256:") else ":"
    return OciModel("m", f"oci://{registry.host}/org/m{joint}{reference}", config)


async def pulled(source: OciModel, folder: Path) -> dict[str, bytes]:
    """All that lies there afterwards."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    await source.pull(await source.resolve(), str(folder), lambda *_: None)
    return await asyncio.to_thread(content, folder)


def content(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def sizes(version: ModelVersion) -> dict[str, int | None]:
    return {each.path: each.size for each in version.files}


async def test_a_tag_may_move_and_a_digest_stays(registry: ImageRegistry, tmp_path: Path) -> None:
    first = registry.files("moving", {"a.gguf": b"GGUF1"})
    second = registry.files("moving", {"a.gguf": b"GGUF2"})
    assert (await at(registry, "moving").resolve()).version == second
    old = await at(registry, first).resolve()
    assert (old.asked, old.version, old.source) == (first, first, f"oci://{registry.host}/org/m")
    assert await pulled(at(registry, first), tmp_path / "m") == {"a.gguf": b"GGUF1"}


async def test_an_artefact_of_files_tells_its_lineage_and_is_for_no_node(registry: ImageRegistry) -> None:
    registry.files("noted", {"sub/m.safetensors": WEIGHTS}, NOTES)
    found = await at(registry, "noted").resolve()
    assert found.ancestry == Ancestry("support@3", "run-9", "org/base")
    assert (found.uri, "which a node cannot mount" in found.unserved) == ("", True)
    assert sizes(found) == {"sub/m.safetensors": len(WEIGHTS)}


async def test_a_folder_that_oras_packs(registry: ImageRegistry, tmp_path: Path) -> None:
    packed = gzip.compress(archive({"model/m.gguf": b"GGUF", "model/notes.txt": b"n"}))
    layer = registry.blob(packed, f"{LAYER}+gzip", {TITLE: "model", "io.deis.oras.content.unpack": "true"})
    registry.artefact("packed", [layer])
    assert sizes(await at(registry, "packed").resolve()) == {"model/m.gguf": 4, "model/notes.txt": 1}
    assert await pulled(at(registry, "packed"), tmp_path / "m") == {"model/m.gguf": b"GGUF", "model/notes.txt": b"n"}


async def test_a_modelkit_without_its_data_sets(registry: ImageRegistry, tmp_path: Path) -> None:
    registry.artefact(
        "kit",
        [
            registry.blob(archive({"config.json": b"{}", "m.safetensors": WEIGHTS}), KIT),
            registry.blob(archive({"rows.csv": b"1"}), KIT.replace(".model.v1", ".dataset.v1")),
        ],
    )
    found = await at(registry, "kit").resolve()
    assert sizes(found) == {"config.json": 2, "m.safetensors": len(WEIGHTS)}
    assert await pulled(at(registry, "kit"), tmp_path / "m") == {"config.json": b"{}", "m.safetensors": WEIGHTS}


async def test_a_modelpack_of_files_and_archives(registry: ImageRegistry, tmp_path: Path) -> None:
    registry.artefact(
        "pack",
        [
            registry.blob(b"GGUF", f"{PACK}weight.v1.raw", {PATH: "w/m.gguf", TITLE: "other"}),
            registry.blob(gzip.compress(archive({"config.json": b"{}"})), f"{PACK}weight.config.v1.tar+gzip"),
        ],
    )
    assert await pulled(at(registry, "pack"), tmp_path / "m") == {"w/m.gguf": b"GGUF", "config.json": b"{}"}


async def test_an_image_is_looked_at_by_the_beginning_of_its_layers(
    registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tandem.adapters.models import oci

    monkeypatch.setattr(oci, "_LOOK_BYTES", 8192)
    card = b"---\ndatasets: [a@1]\n---\n"
    files = {"models/README.md": card, "models/m.safetensors": WEIGHTS, "models/z.json": b"{}"}
    registry.image("plain", [registry.layer(files, packed=False)])
    plain = await at(registry, "plain").resolve()
    assert sizes(plain) == {"README.md": len(card), "m.safetensors": len(WEIGHTS), "z.json": 2}
    assert (plain.weight_bytes, plain.ancestry.dataset) == (len(WEIGHTS), "a@1")
    # Nobody knows what comes after the weights in a compressed one, so nobody says how large they all are.
    import random

    noise = random.Random(1).randbytes(200_000)
    registry.image("packed-image", [registry.layer({**files, "models/m.safetensors": noise})])
    packed = await at(registry, "packed-image").resolve()
    assert sizes(packed) == {"README.md": len(card), "m.safetensors": None}
    assert (packed.format, packed.weight_bytes, bool(packed.uri)) == ("safetensors", None, True)


async def test_the_labels_of_an_image_and_its_platforms(registry: ImageRegistry, tmp_path: Path) -> None:
    digest = registry.image("one", [registry.layer({"models/m.gguf": b"GGUF"})], NOTES)
    index = registry.index("many", {"unknown/unknown": registry.image("x", []), "linux/arm64": digest})
    found = await at(registry, "many").resolve()
    assert found.ancestry == Ancestry("support@3", "run-9", "org/base")
    assert (found.version, found.uri) == (index, f"oci://{registry.host}/org/m@{index}")
    assert await pulled(at(registry, "many"), tmp_path / "m") == {"m.gguf": b"GGUF"}
    native = OciModel("m", f"oci+native://{registry.host}/org/m:many")
    assert (await native.resolve()).uri == f"oci+native://{registry.host}/org/m@{index}"


async def test_layers_lie_one_upon_the_other(registry: ImageRegistry, tmp_path: Path) -> None:
    below = registry.layer({"models/a/1.gguf": b"1", "models/b/2.gguf": b"2", "models/c.txt": b"3", "etc/x": b"0"})
    above = registry.layer({"models/a/.wh..wh..opq": b"", "models/a/3.gguf": b"33", "models/.wh.b": b"", "etc/y": b""})
    registry.image("layers", [below, above])
    wanted = {"a/3.gguf": b"33", "c.txt": b"3"}
    assert sizes(await at(registry, "layers").resolve()) == {name: len(each) for name, each in wanted.items()}
    assert await pulled(at(registry, "layers"), tmp_path / "m") == wanted
    emptied = registry.layer({".wh.models": b"", "models/new.gguf": b"N"})
    registry.image("emptied", [below, emptied])
    assert await pulled(at(registry, "emptied"), tmp_path / "n") == {"new.gguf": b"N"}


async def test_links_become_files(registry: ImageRegistry, tmp_path: Path) -> None:
    linked = archive({"blobs/1": b"GGUF"}, {"models/m.gguf": "../blobs/1"})
    registry.image("linked", [registry.blob(linked, LAYER)])
    assert await pulled(at(registry, "linked"), tmp_path / "m") == {"m.gguf": b"GGUF"}
    registry.image("dangling", [registry.blob(archive({}, {"models/m.gguf": "/etc/passwd"}), LAYER)])
    with pytest.raises(ConfigurationError, match=r"models/m\.gguf, which is no file, or a link to none"):
        await pulled(at(registry, "dangling"), tmp_path / "n")


async def test_what_leads_out_of_the_model_is_refused(registry: ImageRegistry, tmp_path: Path) -> None:
    registry.files("escaping", {"../../stolen.gguf": b"GGUF"})
    registry.image("climbing", [registry.layer({"models/../../stolen.gguf": b"GGUF"})])
    registry.image("removing", [registry.layer({"models/../.wh.kept": b"", "models/m.gguf": b"GGUF"})])
    (tmp_path / "kept").write_bytes(b"")
    for tag in ("escaping", "climbing", "removing"):
        with pytest.raises(ConfigurationError, match="outside of the model's folder"):
            await pulled(at(registry, tag), tmp_path / tag)
    assert await asyncio.to_thread(sorted, (tmp_path / "removing").glob("*")) == [tmp_path / "removing" / ".oci"]
    assert {each for each in await asyncio.to_thread(content, tmp_path) if ".oci" not in each} == {"kept"}


async def test_of_several_ggufs_one_is_brought(registry: ImageRegistry, tmp_path: Path) -> None:
    registry.files("two", {"a.gguf": b"GGUF4", "b.gguf": b"GGUF88", "README.md": b"r"})
    source = OciModel("m", f"oci://{registry.host}/org/m:two", file="a.gguf")
    assert sizes(await source.resolve()) == {"a.gguf": 5, "README.md": 1}
    assert await pulled(source, tmp_path / "m") == {"a.gguf": b"GGUF4", "README.md": b"r"}
    with pytest.raises(UnknownModel, match=r"has no c\.gguf"):
        await OciModel("m", f"oci://{registry.host}/org/m:two", file="c.gguf").resolve()


async def test_a_disk_that_takes_nothing_is_told_as_such(registry: ImageRegistry, tmp_path: Path) -> None:
    registry.files("anything", {"m.gguf": b"GGUF"})
    source = at(registry, "anything")
    (tmp_path / ".oci").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await source.pull(await source.resolve(), str(tmp_path), lambda *_: None)


async def test_what_is_no_model(registry: ImageRegistry, tmp_path: Path) -> None:
    registry.image("program", [registry.layer({"bin/sh": b"#!"})])
    with pytest.raises(UnknownModel, match="holds no weights in /models"):
        await at(registry, "program").resolve()
    registry.artefact("chart", [registry.blob(b"tgz", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")])
    with pytest.raises(UnknownModel, match="holds no weights"):
        await at(registry, "chart").resolve()
    registry.image("zstd", [registry.blob(b"(\xb5/\xfd", f"{LAYER}+zstd")])
    assert (await at(registry, "zstd").resolve()).uri
    registry.image("torn", [registry.blob(b"no archive", f"{LAYER}+gzip")])
    for tag, said in {"zstd": "is packed with zstd|no archive", "torn": "has a layer that is no archive"}.items():
        with pytest.raises(ConfigurationError, match=said) as told:
            await pulled(at(registry, tag), tmp_path / tag)
        assert "\n" not in told.value.message


async def test_the_tags_that_there_are_are_told(registry: ImageRegistry) -> None:
    registry.files("v1", {"m.gguf": b"GGUF"})
    with pytest.raises(UnknownModel, match=r"org/m has no tag v77\.") as told:
        await at(registry, "v77").resolve()
    assert "v1" in (told.value.hint or "")
    with pytest.raises(UnknownModel, match="has no repository org/none"):
        await OciModel("m", f"oci://{registry.host}/org/none:v1").resolve()


async def test_a_pull_goes_on_where_it_was_cut_off(registry: ImageRegistry, tmp_path: Path) -> None:
    digest = registry.files("large", {"m.safetensors": WEIGHTS, "n.safetensors": b"n"})
    source, folder = at(registry, digest), tmp_path / "m"
    version = await source.resolve()
    first, second = (f"sha256:{each.digest}" for each in version.files)
    (folder / ".oci").mkdir(parents=True)
    (folder / ".oci" / first[7:]).write_bytes(WEIGHTS[:700_000])
    # What was brought is not asked for again: it would be wrong by now.
    registry.data(first).write_bytes(b"\0" * 700_000 + WEIGHTS[700_000:])
    told: list[int] = []
    try:
        registry.data(second).rename(tmp_path / "away")
        with pytest.raises((UnknownModel, UpstreamUnavailable)):
            await source.pull(version, str(folder), lambda done, _: told.append(done))
        assert (folder / "m.safetensors").read_bytes() == WEIGHTS
        assert told[0] > 700_000
        (tmp_path / "away").rename(registry.data(second))
        again: list[int] = []
        await source.pull(version, str(folder), lambda done, _: again.append(done))
        assert again[0] == len(WEIGHTS)
        assert sorted(each.name for each in folder.rglob("*")) == ["m.safetensors", "n.safetensors"]
    finally:
        registry.data(first).write_bytes(WEIGHTS)


async def test_bytes_that_are_not_those_of_the_digest_are_not_kept(registry: ImageRegistry, tmp_path: Path) -> None:
    digest = registry.files("tampered", {"t.safetensors": b"t" * 1000})
    source = at(registry, digest)
    version = await source.resolve()
    blob = f"sha256:{version.files[0].digest}"
    registry.data(blob).write_bytes(b"u" * 1000)
    with pytest.raises(UpstreamUnavailable, match=f"sent other bytes than {blob} says"):
        await source.pull(version, str(tmp_path), lambda *_: None)
    registry.data(blob).write_bytes(b"t" * 1000)
    assert (await pulled(source, tmp_path))["t.safetensors"] == b"t" * 1000


@pytest.mark.parametrize(
    "source",
    [
        "oci://",
        "oci://alone",
        "oci://host/UPPER:v1",
        "oci://host/m@sha256:12",
        "oci://host/m:v1?x",
        "oci+fetch://h/m:1",
    ],
)
def test_a_source_that_names_no_image(source: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        OciModel("m", source)
    assert told.value.hint


def docker_config(folder: Path, **told: Any) -> Path:
    path = folder / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))
    return path


def login(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_logins_of_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with image_registry(tmp_path, private=True) as private:
        private.image("v1", [private.layer({"models/m.gguf": b"GGUF"})])
        with pytest.raises(PermissionDenied, match="nobody is logged in there: authentication required") as told:
            await at(private, "v1").resolve()
        assert f"docker login {private.host}" in (told.value.hint or "")
        wrong = docker_config(tmp_path / "wrong", auths={private.host: login(USER, "guessed")})
        with pytest.raises(PermissionDenied, match=f"does not let {USER} read"):
            await at(private, "v1", wrong).resolve()
        secret = docker_config(tmp_path / "secret", auths={f"https://{private.host}/v2/": login(USER, PASSWORD)})
        found = await at(private, "v1", secret).resolve()
        assert found.gated
        assert await pulled(at(private, "v1", secret), tmp_path / "m") == {"m.gguf": b"GGUF"}
        docker_config(tmp_path / ".docker", auths={private.host: login(USER, PASSWORD)})
        assert (await at(private, "v1").resolve()).version == found.version
        helper = tmp_path / "bin" / "docker-credential-test"
        helper.parent.mkdir()
        helper.write_text(
            f'#!/bin/sh\nread host; [ "$host" = {private.host} ] && echo \'{{"Username":"{USER}","Secret":"{PASSWORD}"}}\'\n'
        )
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
        kept = docker_config(tmp_path / "kept", auths={private.host: {}}, credsStore="test")
        assert (await at(private, "v1", kept).resolve()).version == found.version
        for content, said in {"{": "cannot be read", "[]": "is no configuration of Docker"}.items():
            (tmp_path / "bad.json").write_text(content)
            with pytest.raises(ConfigurationError, match=said):
                await at(private, "v1", tmp_path / "bad.json").resolve()
        with pytest.raises(ConfigurationError, match="There is no file"):
            await at(private, "v1", tmp_path / "absent.json").resolve()
        absent = docker_config(tmp_path / "absent", credsStore="nowhere")
        with pytest.raises(ConfigurationError, match="docker-credential-nowhere, which cannot be started"):
            await at(private, "v1", absent).resolve()


class Tokens(Silent):
    """A token server, as registries send their clients to: a token for whoever shows a login, or the right identity."""

    asked: list[dict[str, str]]
    key: ec.EllipticCurvePrivateKey
    chain: list[str]

    def do_GET(self) -> None:
        query = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
        shown = self.headers.get("authorization", "")
        self.asked.append({**query, "authorization": shown})
        self.give(query["scope"] if shown.startswith("Basic ") else "")

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["content-length"])).decode()
        query = {key: value[0] for key, value in parse_qs(form).items()}
        self.asked.append(query)
        self.give(query["scope"] if query["refresh_token"] == "identity" else "")

    def give(self, scope: str) -> None:
        kind, _, rest = scope.partition(":")
        access = [{"type": kind, "name": rest.rpartition(":")[0], "actions": ["pull"]}] if scope else []
        at = int(time.time())
        claims = {"iss": "tokens", "aud": "here", "sub": "", "iat": at, "nbf": at - 60, "exp": at + 300}
        token = jwt.encode(claims | {"access": access}, self.key, "ES256", {"x5c": self.chain})
        self.say(200, json.dumps({"token": token}).encode())


def certified(folder: Path) -> type[Tokens]:
    """With a key whose certificate is in `bundle.pem`."""
    made = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")]), datetime.now(UTC)
    told = x509.CertificateBuilder(name, name, made.public_key(), x509.random_serial_number())
    told = told.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    certificate = told.sign(made, hashes.SHA256())
    (folder / "bundle.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
    return type("Certified", (Tokens,), {"asked": [], "key": made, "chain": chain})


async def test_tokens_are_had_for_a_login(tmp_path: Path) -> None:
    tokens = certified(tmp_path)
    with live_http(tokens) as url:
        told = {
            "realm": f"{url}/token", "service": "here", "issuer": "tokens", "rootcertbundle": str(tmp_path / "bundle.pem")
        }  # fmt: skip
        with image_registry(tmp_path) as everybody:
            version = everybody.files("v1", {"m.gguf": b"GGUF"})
        with image_registry(tmp_path, tokens=told) as guarded:
            with pytest.raises(PermissionDenied, match="nobody is logged in there"):
                await at(guarded, "v1").resolve()
            by_name = docker_config(tmp_path / "a", auths={guarded.host: login(USER, PASSWORD)})
            assert (await at(guarded, "v1", by_name).resolve()).version == version
            shown = f"Basic {login(USER, PASSWORD)['auth']}"
            assert tokens.asked[-1] == {"service": "here", "scope": "repository:org/m:pull", "authorization": shown}
            by_token = docker_config(tmp_path / "b", auths={guarded.host: {"identitytoken": "identity"}})
            assert (await at(guarded, "v1", by_token).resolve()).version == version
            assert tokens.asked[-1]["grant_type"] == "refresh_token"
            stranger = docker_config(tmp_path / "c", auths={guarded.host: {"identitytoken": "else"}})
            with pytest.raises(PermissionDenied, match="does not let the token read"):
                await at(guarded, "v1", stranger).resolve()
