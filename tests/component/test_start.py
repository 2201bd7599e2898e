"""SIGTERM before there is anything to drain: a process that still starts ends at once, also as a container's first one."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.component
TANDEM = str(Path(sys.executable).with_name("tandem"))
SERVE = [TANDEM, "serve", "--port", "0"]
_WITHIN_S = 30.0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process catches is read from Linux's /proc")
def test_a_process_that_starts_has_its_own_word_for_sigterm(tmp_path: Path) -> None:
    with subprocess.Popen([*SERVE, "--data-dir", str(tmp_path)], stderr=subprocess.DEVNULL) as serving:
        until_caught(serving.pid)
        began_s = time.monotonic()
        serving.send_signal(signal.SIGTERM)
        # Its own code, not the kernel's -15, which a container's first process never gets.
        assert serving.wait(_WITHIN_S) == 128 + signal.SIGTERM
    assert time.monotonic() - began_s < _WITHIN_S / 3


def test_as_first_process_it_ends_too(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("no new process namespaces here: they take util-linux and root")
    command = [unshare, "--pid", "--fork", "--kill-child", *SERVE, "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as outside:
        first = until_forked(outside.pid)
        until_caught(first)
        subprocess.run(["kill", "-TERM", str(first)], check=True)
        assert outside.wait(_WITHIN_S) == 128 + signal.SIGTERM


def until_forked(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return int(until(lambda: children.read_text().strip()))


def until_caught(pid: int) -> None:
    until(lambda: "caught" if catches(pid) else "")


def catches(pid: int) -> bool:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return bool(int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)


def until(happened: Callable[[], str]) -> str:
    ends_s = time.monotonic() + _WITHIN_S
    while time.monotonic() < ends_s:
        if found := happened():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not happen")
