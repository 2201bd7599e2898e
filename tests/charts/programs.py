"""Programs that the tests of charts and manifests run: from PATH, or from the folder that TANDEM_TEST_TOOLS names."""

import os
import shutil
import subprocess
from functools import cache

import pytest

_FROM = {
    "helm": "install Helm 3",
    "kubectl": "install kubectl",
    "promtool": "install Prometheus (Debian: apt-get install prometheus)",
    "prometheus": "install Prometheus (Debian: apt-get install prometheus)",
}


@cache
def _found(name: str) -> str | None:
    folders = (os.environ.get("TANDEM_TEST_TOOLS"), os.environ.get("PATH", os.defpath))
    return shutil.which(name, path=os.pathsep.join(filter(None, folders)))


def program(name: str) -> str:
    """Its path; skips the test where it is not there."""
    found = _found(name)
    if found is None:
        pytest.skip(f"no {name} on PATH nor in TANDEM_TEST_TOOLS: {_FROM[name]}")
    return found


def output(*command: str, timeout_s: float = 120) -> str:
    """What it prints; fails with what it says on stderr."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
