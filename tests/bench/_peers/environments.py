"""Environments of other projects' gateways, each of its own, made on demand below `.bench/`."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).parents[3] / ".bench"
_PINS = {
    # 1.107.0 was compromised, and the newest want parts that are not published yet.
    "litellm": ("litellm[proxy]>=1.106,<1.109,!=1.107.0",),
    "vllm-router": ("vllm-router==0.1.17",),
    # What its source tree of that commit names, without what only its extras need.
    "production-stack": (
        *("aiofiles==24.1.0", "fastapi==0.128.0", "aiohttp[speedups]==3.14.3", "kubernetes==36.0.3", "numpy==1.26.4"),
        *("prometheus-client==0.21.1", "python-multipart==0.0.32", "sentry-sdk[fastapi]==2.27.0", "uhashring==2.3"),
        *("uvicorn==0.34.0", "xxhash==3.5.0", "psutil==7.0.0", "pyyaml>=6.0.2", "h11>=0.16", "httpcore>=1.0.8"),
        *("opentelemetry-api>=1.28", "opentelemetry-sdk>=1.28", "opentelemetry-exporter-otlp>=1.28"),
    ),
}
_PRODUCTION_STACK = "https://github.com/vllm-project/production-stack"
_COMMIT = "a6c01db05f65f556235413ba8dbcfb0c01132fff"


class NotInstalled(Exception):
    """A peer that this machine does not have and cannot get, and why."""


def environment(name: str) -> Path:
    """The environment's folder. Raises `NotInstalled`."""
    home = BENCH / name
    if not (home / ".complete").exists():
        try:
            _make(home, _PINS[name])
        except subprocess.CalledProcessError as error:
            told = (error.stderr or error.stdout or str(error)).strip().splitlines()
            raise NotInstalled(f"{name} cannot be installed: {told[-1][:300] if told else error}") from None
        except subprocess.TimeoutExpired:
            raise NotInstalled(f"{name} was not installed in time") from None
    return home


def production_stack() -> tuple[Path, Path]:
    """Environment and source tree of vLLM's production stack, which is on no package index. Raises `NotInstalled`.

    `TANDEM_BENCH_PRODUCTION_STACK` names a checkout where git cannot reach the repository.
    """
    named = os.environ.get("TANDEM_BENCH_PRODUCTION_STACK")
    source = Path(named) if named else BENCH / "production-stack-source"
    if not (source / "src/vllm_router").is_dir():
        try:
            _clone(source)
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(source, ignore_errors=True)
            raise NotInstalled(
                f"no source tree of {_PRODUCTION_STACK} ({type(error).__name__}); "
                "name a checkout in TANDEM_BENCH_PRODUCTION_STACK"
            ) from None
    return environment("production-stack"), source / "src"


def _make(home: Path, pins: tuple[str, ...]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    if uv := shutil.which("uv"):
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(home)])
        _run([uv, "pip", "install", "--quiet", "--python", str(home / "bin/python"), *pins])
    else:
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(home / "bin/python"), "-m", "pip", "install", "--quiet", *pins])
    (home / ".complete").touch()


def _clone(source: Path) -> None:
    _run(["git", "init", "--quiet", str(source)])
    _run(["git", "-C", str(source), "fetch", "--quiet", "--depth=1", _PRODUCTION_STACK, _COMMIT], timeout_s=60)
    _run(["git", "-C", str(source), "checkout", "--quiet", "FETCH_HEAD"])


def _run(command: list[str], timeout_s: float = 600) -> None:
    # Away from this project's folder: its own index settings are not for others.
    with tempfile.TemporaryDirectory() as elsewhere:
        env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        subprocess.run(
            command, check=True, cwd=elsewhere, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout_s,
        )  # fmt: skip
