"""Every command of the tutorial, taken from the page itself, in its order and on loopback."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/getting-started.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_START_S = 120.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _checkout(folder: Path) -> Path:
    """The repository, but with a `.data` of its own and three pages, so that a busy machine is soon through them."""
    (folder / "docs").mkdir()
    pages = ("docs/formats.md", "docs/getting-started.md", "docs/ingestion.md")
    for name in (".venv", "README.md", *pages, "pyproject.toml", "scripts", "uv.lock"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def _until_ready(url: str, started: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and started.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"not ready:\n{log.read_text()}")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, str]]]:
    """The blocks, and what each printed; the first one starts Tandem, and it serves all that follow."""
    here, port = _checkout(tmp_path_factory.mktemp("checkout")), _free_port()
    url, log = f"http://127.0.0.1:{port}", here / "serve.log"
    first, *others = [
        (kind, text.replace("127.0.0.1:8000", f"127.0.0.1:{port}")) for kind, text in _BLOCK.findall(PAGE)
    ]
    assert first == ("sh", "scripts/run\n")
    env = {**os.environ, "TANDEM_URL": url, "TANDEM_SERVER__PORT": str(port), "COLUMNS": "200"}
    with log.open("wb") as sink:
        started = subprocess.Popen(
            ["bash", "-c", f"exec {first[1]}"], cwd=here, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        _until_ready(url, started, log)
        yield [(text, _typed(kind, text, here, env)) for kind, text in others]
    finally:
        started.terminate()
        started.wait(60)


def _typed(kind: str, text: str, here: Path, env: dict[str, str]) -> str:
    """Nobody types faster than that; a receipt is listed half a second after its answer."""
    time.sleep(1.0)
    return _run(kind, text, here, env)


def _run(kind: str, text: str, here: Path, env: dict[str, str]) -> str:
    command = ["bash", "-euo", "pipefail", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(
        command, cwd=here, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def _of(told: list[tuple[str, str]], part: str) -> str:
    """What the block that holds `part` printed."""
    (printed,) = [printed for text, printed in told if part in text]
    return printed


def test_what_was_just_written_is_cited(told: list[tuple[str, str]]) -> None:
    printed = _of(told, "harbour")
    assert "at six in the morning" in printed
    assert "harbour.md" in printed


@pytest.mark.parametrize("client", ["tandem ask 'Which", "curl", "from openai import"])
def test_each_client_is_answered_with_its_sources(told: list[tuple[str, str]], client: str) -> None:
    printed = _of(told, client)
    assert "README.md" in printed or "docs/" in printed
    assert re.search(r"\[\d\]", printed), printed


def test_the_answers_left_receipts(told: list[tuple[str, str]]) -> None:
    assert _of(told, "receipts list").count("rcpt-") == 4
