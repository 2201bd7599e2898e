"""A real registry of images, where its program can be found (Debian: docker-registry), and models pushed to it."""

import contextlib
import gzip
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

MISSING = "no image registry: install its server (Debian: `docker-registry`)"
USER, PASSWORD = "reader", "secret"
_HASHED = "$2b$04$A2KHff7OeOp3jpkVe4IMB.i4ruP8N.j3gempBoSP49R0VJX8SC4u6"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
TITLE = "org.opencontainers.image.title"
Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImageRegistry:
    """`host` as it stands in references; `folder` is where the server keeps blobs; `headers` let us push."""

    host: str
    folder: Path
    headers: Mapping[str, str]
    repository: str = "org/m"

    def blob(self, content: bytes, media_type: str, notes: Mapping[str, str] | None = None) -> Descriptor:
        """Pushed into `repository`, and as manifests name it."""
        digest = f"sha256:{sha256(content).hexdigest()}"
        where = self._ask("POST", "blobs/uploads/").headers["location"]
        where += f"{'&' if '?' in where else '?'}digest={digest}"
        self._ask("PUT", where, content, "application/octet-stream")
        found: Descriptor = {"mediaType": media_type, "digest": digest, "size": len(content)}
        return found | ({"annotations": dict(notes)} if notes else {})

    def manifest(self, tag: str, told: Mapping[str, Any]) -> str:
        """Its digest."""
        content = json.dumps(told).encode()
        self._ask("PUT", f"manifests/{tag}", content, str(told["mediaType"]))
        return f"sha256:{sha256(content).hexdigest()}"

    def artefact(self, tag: str, layers: list[Descriptor], notes: Mapping[str, str] | None = None) -> str:
        """As ORAS pushes one."""
        config = self.blob(b"{}", "application/vnd.oci.empty.v1+json")
        told = {"artifactType": "application/vnd.example.model", "config": config, "layers": layers}
        return self.manifest(tag, _oci(MANIFEST) | told | {"annotations": dict(notes or {})})

    def files(self, tag: str, files: Mapping[str, bytes], notes: Mapping[str, str] | None = None) -> str:
        """As `oras push` does: a blob for each file."""
        return self.artefact(tag, [self.blob(each, LAYER, {TITLE: name}) for name, each in files.items()], notes)

    def image(self, tag: str, layers: list[Descriptor], labels: Mapping[str, str] | None = None) -> str:
        """As a build pushes one."""
        config = self.blob(json.dumps({"config": {"Labels": labels}}).encode(), IMAGE_CONFIG)
        return self.manifest(tag, _oci(MANIFEST) | {"config": config, "layers": layers})

    def index(self, tag: str, platforms: Mapping[str, str]) -> str:
        """Of digests by `os/architecture`."""
        listed = [
            {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": dict(zip(("os", "architecture"), name.split("/"), strict=True))}
            for name, digest in platforms.items()
        ]  # fmt: skip
        return self.manifest(tag, _oci(INDEX) | {"manifests": listed})

    def layer(self, files: Mapping[str, bytes], *, packed: bool = True) -> Descriptor:
        """Of an image."""
        content = archive(files)
        return self.blob(gzip.compress(content) if packed else content, LAYER + ("+gzip" if packed else ""))

    def data(self, digest: str) -> Path:
        """The file that the server reads a blob from."""
        return self.folder / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> urllib3.BaseHTTPResponse:
        url = path if path.startswith("http") else f"http://{self.host}/v2/{self.repository}/{path}"
        headers = {**self.headers, **({"content-type": kind} if kind else {})}
        reply = urllib3.request(method, url, body=body, headers=headers)
        assert reply.status in {201, 202}, (reply.status, reply.data)
        return reply


def _oci(media_type: str) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": media_type}


def archive(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A tar of them."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            made.addfile(link)
    return held.getvalue()


@contextlib.contextmanager
def image_registry(
    folder: Path, *, private: bool = False, tokens: Mapping[str, str] | None = None
) -> Iterator[ImageRegistry]:
    """One on a port of its own; `private`: for USER alone; `tokens`: as its `auth.token` wants it. Skips where there is none."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip(MISSING)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "htpasswd").write_text(f"{USER}:{_HASHED}\n")
    auth: dict[str, Any] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}} if private else {}
    auth |= {"token": dict(tokens)} if tokens else {}
    told = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "kept")}},
        "http": {"addr": host},
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(yaml.safe_dump(told))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
        try:
            _ready(host, process, folder / "log")
            login = urllib3.make_headers(basic_auth=f"{USER}:{PASSWORD}") if private else {}
            yield ImageRegistry(host, folder / "kept", login)
        finally:
            process.kill()
            process.wait()


def _ready(host: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(400):
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if urllib3.request("GET", f"http://{host}/v2/", retries=False, timeout=1.0).status in {200, 401}:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(log.read_text()[-2000:])
