"""A real Qdrant server, where one can be found: QDRANT_URL, `qdrant` on PATH, or Docker."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

IMAGE = "qdrant/qdrant:v1.18.0"
MISSING = "no Qdrant server: set QDRANT_URL, put `qdrant` on PATH, or start Docker"


@contextlib.contextmanager
def qdrant_server_url(folder: Path) -> Iterator[str]:
    """The URL of a server that is ready; skips the test where there is none."""
    if url := os.environ.get("QDRANT_URL"):
        yield url
    elif shutil.which("qdrant"):
        with _binary(folder) as url:
            yield url
    elif _docker_runs():
        with _container() as url:
            yield url
    else:
        pytest.skip(MISSING)


@contextlib.contextmanager
def _binary(folder: Path) -> Iterator[str]:
    port, grpc = free_port(), free_port()
    env = {
        **os.environ,
        "QDRANT__SERVICE__HOST": "127.0.0.1",
        "QDRANT__SERVICE__HTTP_PORT": str(port),
        "QDRANT__SERVICE__GRPC_PORT": str(grpc),
        "QDRANT__STORAGE__STORAGE_PATH": str(folder / "qdrant"),
        "QDRANT__TELEMETRY_DISABLED": "true",
    }
    # An empty key variable would switch authentication on.
    env.pop("QDRANT__SERVICE__API_KEY", None)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "qdrant.log").open("wb") as log:
        server = subprocess.Popen(["qdrant"], cwd=folder, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield _ready(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(20)


def _docker_runs() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=20).returncode == 0


@contextlib.contextmanager
def _container() -> Iterator[str]:
    port = free_port()
    started = subprocess.run(
        ["docker", "run", "--rm", "--detach", "--publish", f"127.0.0.1:{port}:6333", IMAGE],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    try:
        yield _ready(f"http://127.0.0.1:{port}")
    finally:
        subprocess.run(["docker", "stop", started.stdout.strip()], capture_output=True, check=False, timeout=60)


def _ready(url: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/readyz", timeout=2):
            return url
        time.sleep(0.1)
    raise RuntimeError(f"Qdrant at {url} was not ready in 30 s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
