import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"
SCRIPTS = ("run", "test", "check", "bench", "docs", "e2e")
_FAKE_PYTHON = '#!/bin/sh\ncase "$2" in *exit*) exit 1;; *) echo 3.9.2;; esac\n'


def start(script: str, *arguments: str, cwd: Path = ROOT, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BASH, str(ROOT / "scripts" / script), *arguments],
        cwd=cwd, env={"PATH": "/usr/bin:/bin", **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_fits_a_screen(script: str) -> None:
    assert len((ROOT / "scripts" / script).read_text(encoding="utf-8").splitlines()) <= 30


def test_run_refuses_a_missing_path_before_it_sets_anything_up(tmp_path: Path) -> None:
    refused = start("run", "no-such-folder", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == "error: no such file or folder: no-such-folder\n"


@pytest.mark.parametrize("arguments", [("--port",), ("--prot", "1")])
def test_run_tells_wrong_usage(arguments: tuple[str, ...]) -> None:
    refused = start("run", *arguments)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "usage: scripts/run" in refused.stderr


def test_run_explains_itself() -> None:
    told = start("run", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("usage: scripts/run")


def test_bench_names_what_there_is() -> None:
    refused = start("bench", "no-such-bench")
    assert refused.returncode == 2
    assert "gateway" in refused.stderr


def test_an_old_python_is_one_clear_line(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / "scripts").mkdir(parents=True)
    for name in ("run", "setup.sh"):
        shutil.copy(ROOT / "scripts" / name, clone / "scripts" / name)
    for name in ("uv.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    tools = tmp_path / "bin"
    tools.mkdir()
    for version in ("python", "python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        fake = tools / version
        fake.write_text(_FAKE_PYTHON)
        fake.chmod(0o755)
    refused = subprocess.run(
        [BASH, str(clone / "scripts" / "run")],
        env={"PATH": f"{tools}:/usr/bin:/bin"}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert refused.stderr == "error: Tandem needs Python 3.11 or newer; this machine has 3.9.2.\n"


@pytest.mark.parametrize("arguments", [("--provider",), ("--provider", "minikube"), ()])
def test_e2e_wants_a_cluster_named(arguments: tuple[str, ...]) -> None:
    refused = start("e2e", *arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert len(refused.stderr.splitlines()) == 1
