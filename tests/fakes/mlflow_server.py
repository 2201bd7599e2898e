"""A real MLflow server, which comes from PyPI, once, into an environment of its own in a cache."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

VERSION = "3.17.2"
UNFETCHED = "no MLflow server: PyPI could not be asked for it"
_FETCH_S = 280
_ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """Its URL; skips the test where there can be none."""
    python = str(_installed() / "bin" / "python")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [
        python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"file://{folder}/artifacts",
    ]  # fmt: skip
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, running, folder / "log")
        yield url
    finally:
        # Its workers are of its group.
        os.killpg(running.pid, 9)
        running.wait(10)


def registered(url: str, name: str, files: Mapping[str, bytes]) -> str:
    """A run that read a data set, its artifacts, and the next version of a model made of them; `champion` is its alias."""
    with contextlib.suppress(urllib.error.HTTPError):
        post(url, "registered-models/create", name=name)
    run = post(url, "runs/create", experiment_id="0", start_time=1)["run"]["info"]
    post(
        url, "runs/log-inputs", run_id=run["run_id"],
        datasets=[{"tags": [], "dataset": {"name": "support", "digest": "abc", "source_type": "local", "source": "{}"}}],
    )  # fmt: skip
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for path, content in files.items():
        put = urllib.request.Request(
            f"{url}/api/2.0/mlflow-artifacts/artifacts/{root}/model/{path}", content, method="PUT"
        )
        urllib.request.urlopen(put, timeout=30).close()
    made = post(url, "model-versions/create", name=name, source=f"{run['artifact_uri']}/model", run_id=run["run_id"])
    version: str = made["model_version"]["version"]
    post(url, "registered-models/alias", name=name, alias="champion", version=version)
    return version


def post(url: str, path: str, **body: Any) -> Any:
    """The server's REST API."""
    ask = urllib.request.Request(
        f"{url}/api/2.0/mlflow/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(ask, timeout=30) as reply:
        return json.load(reply)


def _installed() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tandem-tests" / f"mlflow-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "whole").exists():
            _fetch(cache)
            (cache / "whole").touch()
    return cache / "venv"


def _fetch(cache: Path) -> None:
    uv = shutil.which("uv") or str(_ROOT / ".venv-tools" / "bin" / "uv")
    target = str(cache / "venv")
    made = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, target]
    install = [uv, "pip", "install", "--quiet", "--python", f"{target}/bin/python", f"mlflow=={VERSION}"]
    try:
        for command in (made, install):
            done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)
            if done.returncode:
                pytest.skip(f"{UNFETCHED}: {' '.join(done.stderr[-200:].split())}")
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{UNFETCHED}: {type(error).__name__}")


def _wait(url: str, running: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and running.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError(f"MLflow was not ready:\n{log.read_text(errors='replace')[-2000:]}")
