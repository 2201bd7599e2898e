"""The gateways that are compared: how each is started in front of one upstream."""

import contextlib
import hashlib
import os
import secrets
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench._peers.environments import environment, production_stack
from bench._processes import NotAnswering, free_port, running

ROOT = Path(__file__).parents[3]
PEERS = Path(__file__).parent
# Long, random, and nobody else's: some gateways refuse a key that they know from their own docs.
KEY = "sk-" + secrets.token_hex(16)
_START_S = 120.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running one."""

    name: str
    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Command:
    """How to start one; `{port}` stands for the port in its words."""

    words: tuple[str | Path, ...]
    env: Mapping[str, str]
    folder: Path | None = None


def tandem(upstream: str) -> Command:
    """Ours, with keys, admission, metrics and the JSON log, without retrieval."""
    nobody = f"http://127.0.0.1:{free_port()}"
    key = {"name": "bench", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}
    env = {
        "TANDEM_AUTH__MODE": "keys",
        "TANDEM_AUTH__KEYS": orjson.dumps([key]).decode(),
        "TANDEM_LOG__FORMAT": "json",
        "TANDEM_LOG__LEVEL": "info",
        "TANDEM_RETRIEVAL__ENABLED": "false",
        "TANDEM_RETRIEVER__URL": nobody,
        # Records of answers are kept here: there is no retriever that would.
        "TANDEM_RETRIEVER__AS_PEER": "false",
        "TANDEM_PREDICTOR__URL": upstream,
        "TANDEM_PREDICTOR__PROTOCOL": "openai",
        "TANDEM_PREDICTOR__MODEL": "steady",
        "TANDEM_ADMISSION__INITIAL": "256",
        # Adaptive, but never below what is offered: what waits in a queue costs nothing, and would flatter us.
        "TANDEM_ADMISSION__MIN": "64",
    }
    words = (Path(sys.executable).with_name("tandem"), "serve", "--target", "gateway", "--port", "{port}")
    return Command(words, env)


def raw_asgi(upstream: str) -> Command:
    """The floor: an ASGI application without a framework."""
    return _uvicorn("raw_asgi:app", upstream)


def handbook(upstream: str) -> Command:
    """A gateway as in the books."""
    return _uvicorn("handbook:app", upstream)


def litellm(upstream: str) -> Command:
    """LiteLLM's proxy, as for production."""
    home = environment("litellm")
    config = home / "tandem-bench.yaml"
    model = {"model": "openai/steady", "api_base": f"{upstream}/v1", "api_key": "none"}
    config.write_bytes(
        orjson.dumps(
            {
                "model_list": [{"model_name": "steady", "litellm_params": model}],
                "litellm_settings": {"callbacks": [], "num_retries": 0, "request_timeout": 60, "telemetry": False},
            }
        )
    )
    env = {
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_TELEMETRY": "False",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "DISABLE_ADMIN_UI": "True",
        "NO_DOCS": "True",
    }
    words = (home / "bin/litellm", "--config", config, "--host", "127.0.0.1", "--port", "{port}", "--num_workers", "1")
    return Command(words, env)


def vllm_router(upstream: str) -> Command:
    """The router of vLLM's production stack (Python)."""
    home, source = production_stack()
    words = (
        *(home / "bin/python", "-m", "vllm_router.app", "--host", "127.0.0.1", "--port", "{port}"),
        *("--service-discovery", "static", "--static-backends", upstream, "--static-models", "steady"),
        *("--routing-logic", "roundrobin", "--log-level", "warning"),
    )
    return Command(words, {"PYTHONPATH": str(source)})


def vllm_rust_router(upstream: str) -> Command:
    """vLLM's router in Rust."""
    home = environment("vllm-router")
    words = (
        *(home / "bin/vllm-router", "--worker-urls", upstream, "--policy", "round_robin"),
        *("--host", "127.0.0.1", "--port", "{port}", "--prometheus-port", str(free_port())),
    )
    return Command(words, {})


COMMANDS: Mapping[str, Callable[[str], Command]] = {
    "tandem": tandem,
    "raw_asgi": raw_asgi,
    "handbook": handbook,
    "litellm": litellm,
    "vllm_router": vllm_router,
    "vllm_rust_router": vllm_rust_router,
}


@contextlib.contextmanager
def gateway(name: str, upstream: str) -> Iterator[Gateway]:
    """Started and answering. Raises `NotInstalled`, `NotAnswering`."""
    command = COMMANDS[name](upstream)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [str(word).replace("{port}", str(port)) for word in command.words]
    with tempfile.TemporaryDirectory() as data:
        env = {"UPSTREAM": upstream, "TANDEM_DATA_DIR": data, **command.env}
        with running(words, env, command.folder) as pid:
            _until_up(name, url, pid)
            yield Gateway(name, url, pid)


def _uvicorn(app: str, upstream: str) -> Command:
    words = (
        *(Path(sys.executable).with_name("uvicorn"), app, "--host", "127.0.0.1", "--port", "{port}"),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning", "--backlog", "4096"),
    )
    return Command(words, {"UPSTREAM": upstream}, PEERS)


def _until_up(name: str, url: str, pid: int) -> None:
    body = orjson.dumps({"model": "steady", "max_tokens": 2, "messages": [{"role": "user", "content": "hi"}]})
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    asking = urllib.request.Request(f"{url}/v1/chat/completions", body, headers)
    ends, last = time.monotonic() + _START_S, "nothing"
    while time.monotonic() < ends:
        time.sleep(0.2)
        try:
            os.kill(pid, 0)
            with urllib.request.urlopen(asking, timeout=5) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError) as error:
            last = str(error)
        if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z":
            break
    raise NotAnswering(f"{name} does not answer: {last}")
