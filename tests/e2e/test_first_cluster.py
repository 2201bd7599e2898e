"""Every command of the tutorial's half on a cluster, taken from the page itself, in its order."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from e2e.commands import ROOT
from e2e.images import Images
from e2e.release import merged
from e2e.space import Space

pytestmark = pytest.mark.timeout(900)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LITTLE = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}


def _values(images: Images, storage_class: str) -> Mapping[str, object]:
    """What this cluster is like: its images, its volumes, and its two cores. Nothing else is told beside the page."""
    volumes = {"persistence": {"storageClass": storage_class}}
    return merged(
        images.values(),
        {
            "gateway": {"resources": _LITTLE},
            "retriever": {**volumes, "resources": _LITTLE},
            "predictor": {"resources": _LITTLE, "cache": {"storageClass": storage_class}},
        },
    )


def _typed(text: str, here: Path, env: Mapping[str, str]) -> str:
    """As in one shell session: what is put behind it with `&` goes on."""
    with (here / "said.txt").open("wb") as said:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=here, env={**env}, stdin=subprocess.DEVNULL,
            stdout=said, stderr=subprocess.STDOUT, timeout=300, check=False,
        )  # fmt: skip
    printed = (here / "said.txt").read_text()
    assert done.returncode == 0, f"{text}\n{printed}"
    return printed


def _until_forwarded(port: int) -> None:
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    pytest.fail("nothing is forwarded")


@pytest.fixture(scope="module")
def told(
    ours: Space, built: Images, storage_class: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[tuple[str, str]]]:
    """The blocks, and what each printed; in this module's namespace, and with the values of this cluster behind the page's."""
    here = tmp_path_factory.mktemp("checkout")
    for name in (".venv", "charts", "manifests"):
        (here / name).symlink_to(ROOT / name)
    (here / "cluster.yaml").write_text(json.dumps(_values(built, storage_class)))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    env = {**os.environ, **ours.cluster.env, "TANDEM_URL": f"http://127.0.0.1:{port}", "COLUMNS": "200"}
    page = (ROOT / "docs/first-cluster.md").read_text(encoding="utf-8")
    page = page.replace("--namespace tandem", f"--namespace {ours.name}").replace(" 8000:80 ", f" {port}:80 ")
    page = page.replace("local/values.yaml --wait", "local/values.yaml -f cluster.yaml --wait --timeout 180s")
    page = page.replace(">forward.log &", ">forward.log 2>&1 & echo $! >forward.pid")
    found = []
    try:
        for block in _BLOCK.findall(page):
            found.append((block, _typed(block, here, env)))
            if "port-forward" in block:
                _until_forwarded(port)
        yield found
    finally:
        if (here / "forward.pid").exists():
            with suppress(ProcessLookupError):
                os.kill(int((here / "forward.pid").read_text()), signal.SIGTERM)


def _of(told: list[tuple[str, str]], part: str) -> str:
    """What the block that holds `part` printed."""
    (printed,) = [printed for block, printed in told if part in block]
    return printed


def test_the_release_is_sound_by_its_own_test(told: list[tuple[str, str]]) -> None:
    assert re.search(r"Phase:\s+Succeeded", _of(told, "helm test"))


def test_what_was_put_into_the_cluster_is_cited(told: list[tuple[str, str]]) -> None:
    printed = _of(told, "harbour")
    assert "at six in the morning" in printed and "harbour.md" in printed


def test_the_pods_are_seen(told: list[tuple[str, str]]) -> None:
    printed = _of(told, "get pods")
    for name in ("tandem-gateway", "tandem-retriever", "tandem-predictor"):
        assert name in printed
