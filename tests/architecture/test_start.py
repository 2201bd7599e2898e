"""What a process loads before it is ready: a gateway that is added under load must be quick to come."""

import json
import os
import subprocess
import sys

import pytest

# Some would cost more than all that is needed, and a gateway before its peers has no use for them.
_HEAVY = {
    "grpc",
    "huggingface_hub.hf_api",
    "numpy",
    "onnxruntime",
    "qdrant_client",
    "qdrant_edge",
    "tokenizers",
    "xllamacpp",
}
_GATEWAY = """
import asyncio, json, sys
from tandem.app.settings import load_settings
from tandem.app.targets import TARGETS
from tandem.cli import main
from tandem.http.lifecycle import Lifecycle

async def opened():
    async with TARGETS["gateway"].open(load_settings(), Lifecycle()):
        print(json.dumps(sorted(sys.modules)))

asyncio.run(opened())
"""
_COMMAND = "import json, sys; from tandem.cli import main; print(json.dumps(sorted(sys.modules)))"


def loaded(code: str, **env: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize("protocol", ["tgi", "openai"])
def test_a_gateway_before_its_peers_loads_no_model(protocol: str) -> None:
    peers = {"TANDEM_RETRIEVER__URL": "http://127.0.0.1:1", "TANDEM_PREDICTOR__URL": "http://127.0.0.1:1"}
    assert not loaded(_GATEWAY, TANDEM_PREDICTOR__PROTOCOL=protocol, **peers) & _HEAVY


def test_a_command_loads_neither_a_server_nor_the_settings_before_it_runs() -> None:
    assert not loaded(_COMMAND) & (_HEAVY | {"aiohttp", "fastapi", "pydantic_settings", "uvicorn"})
