"""The shapes that one black-box suite runs against: the monolith, and the fleet as separate processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TANDEM = Path(sys.executable).with_name("tandem")
START_S = 90.0


@dataclass
class Process:
    """One `tandem serve`, and where it listens."""

    target: str
    popen: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def terminate(self) -> None:
        """SIGTERM: drain."""
        self.popen.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = 60.0) -> int:
        """The exit code."""
        return self.popen.wait(timeout_s)


@dataclass
class Deployment:
    """A running platform: talk to `url`, look at `processes` only to see what must have been freed."""

    url: str
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def front(self) -> Process:
        """The process that clients talk to."""
        return next(p for p in self.processes.values() if p.target in {"all", "gateway"})


def start(target: str, folder: Path, env: dict[str, str], *flags: str) -> Process:
    """Start one target on a free port and wait until it is ready; a failed start shows its log."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{target}.log"
    address = folder / f"{target}.url"
    address.unlink(missing_ok=True)
    with log.open("wb") as sink:
        popen = subprocess.Popen(
            [TANDEM, "serve", "--target", target, "--port", "0", "--data-dir", str(folder / "data"),
             "--url-file", str(address), *flags],
            stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            env={**os.environ, "TANDEM_LOG__LEVEL": "info", **env},
        )  # fmt: skip
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if popen.poll() is not None:
            raise RuntimeError(f"{target} ended with {popen.returncode}:\n{log.read_text()}")
        if address.exists() and (url := address.read_text().strip()) and _ready(url):
            return Process(target, popen, url, log)
        time.sleep(0.05)
    popen.kill()
    raise RuntimeError(f"{target} was not ready in {START_S} s:\n{log.read_text()}")


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(process: Process) -> None:
    """End it, gently first."""
    if process.popen.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            process.wait(10)


@contextlib.contextmanager
def monolith(folder: Path, **env: str) -> Iterator[Deployment]:
    """Everything in one process."""
    one = start("all", folder, {"TANDEM_PREDICTOR__MODEL": "smollm2", **env})
    try:
        yield Deployment(one.url, {"all": one})
    finally:
        stop(one)


@contextlib.contextmanager
def fleet(folder: Path, *, protocol: str = "tgi", qdrant_url: str | None = None, **env: str) -> Iterator[Deployment]:
    """Gateway, predictor, and a retriever (or a Qdrant server in its place), each a process of its own."""
    running: dict[str, Process] = {}
    try:
        running["predictor"] = start("predictor", folder / "predictor", {"TANDEM_PREDICTOR__MODEL": "smollm2", **env})
        if qdrant_url is None:
            running["retriever"] = start("retriever", folder / "retriever", env)
            peers = {"TANDEM_RETRIEVER__URL": running["retriever"].url}
        else:
            peers = {"TANDEM_VECTORS__URL": qdrant_url}
        running["gateway"] = start(
            "gateway",
            folder / "gateway",
            {
                "TANDEM_PREDICTOR__URL": running["predictor"].url,
                "TANDEM_PREDICTOR__PROTOCOL": protocol,
                "TANDEM_PREDICTOR__MODEL": "smollm2" if protocol == "openai" else "tgi",
                **peers,
                **env,
            },
        )
        yield Deployment(running["gateway"].url, running)
    finally:
        for process in reversed(running.values()):
            stop(process)
