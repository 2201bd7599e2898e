"""A real kube-apiserver with its etcd, on loopback, and nothing else: no controller, no node."""

import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_TOKEN = "let-me-in"
_HOME = Path(os.environ.get("KT_HOME", Path.home() / ".cache" / "kt"))
CRDS = _HOME / "addons" / "kserve-crd.yaml"


class NoApiServer(Exception):
    """The programs are not here."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """`process` is the API server's own; etcd outlives a restart of it."""

    kubeconfig: Path
    process: "subprocess.Popen[bytes]"


def _programs() -> tuple[list[str], list[str]]:
    """etcd and kube-apiserver: of KUBEBUILDER_ASSETS, of PATH, or both in one program."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    found = [shutil.which(name, path=folder) for name in ("etcd", "kube-apiserver")]
    if found[0] and found[1]:
        return [found[0]], [found[1]]
    both = _HOME / "bin" / "kube"
    if not both.is_file():
        raise NoApiServer
    return [str(both), "etcd"], [str(both), "kube-apiserver"]


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """With everything of it under `folder`. Raises `NoApiServer`."""
    etcd, server = _programs()
    client, peer, port = _free(), _free(), _free()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    (folder / "tokens.csv").write_text(f"{_TOKEN},admin,admin,system:masters\nother,other,other,\n")
    store = [
        *etcd, "--name=test", f"--data-dir={folder}/etcd", "--log-level=error", "--unsafe-no-fsync",
        f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=test=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    api = [
        *server, f"--etcd-servers=http://127.0.0.1:{client}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        f"--cert-dir={folder}/certs", f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://test",
        f"--service-account-key-file={folder}/sa.key", f"--service-account-signing-key-file={folder}/sa.key",
        "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none", "--v=0",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, _running(store, log), _running(api, log) as process:
        _ready(folder, port, process)
        yield ApiServer(_kubeconfig(folder, port), process)


@contextmanager
def _running(command: list[str], log: "object") -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(command, stdout=log, stderr=log)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _ready(folder: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError((folder / "log").read_text()[-3000:])
        try:
            trusted = ssl.create_default_context(cafile=str(folder / "certs" / "apiserver.crt"))
            ask = urllib.request.Request(
                f"https://127.0.0.1:{port}/readyz", headers={"authorization": f"Bearer {_TOKEN}"}
            )
            with urllib.request.urlopen(ask, context=trusted, timeout=5) as reply:
                if reply.status == 200:
                    return
        except (URLError, OSError):
            pass
        time.sleep(0.2)
    raise AssertionError((folder / "log").read_text()[-3000:])


def _kubeconfig(folder: Path, port: int) -> Path:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "certs" / "apiserver.crt")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": _TOKEN}}, {"name": "other", "user": {"token": "other"}}],
        "contexts": [
            {"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "default"}},
            {"name": "powerless", "context": {"cluster": "c", "user": "other", "namespace": "default"}},
        ],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file
