"""`tandem conformance` as a user runs it, against a server on a real socket."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fakes.dialects import TgiBytes, VllmBytes
from fakes.model_server import model_server
from tandem.cli.main import app

TANDEM = Path(sys.executable).with_name("tandem")


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


async def tandem(*arguments: str) -> Done:
    running = await asyncio.create_subprocess_exec(
        TANDEM,
        *arguments,
        env={**os.environ, "SERVER_KEY": "key\n"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await running.communicate()
    return Done(running.returncode or 0, out.decode(), err.decode())


async def test_a_good_server() -> None:
    async with model_server(TgiBytes()) as (_, server):
        done = await tandem("conformance", server.url, "--protocol", "tgi", "--api-key-env", "SERVER_KEY")
    assert (done.code, done.err) == (0, "14 passed, 0 failed, 1 skipped\n"), done
    lines = done.out.splitlines()
    assert len(lines) == 15
    assert lines[1].startswith("passed  framing       ")
    assert "key\n" not in done.out


async def test_a_failed_check() -> None:
    async with model_server(VllmBytes(), breaks="no done") as (_, server):
        done = await tandem(
            *("conformance", f"{server.url}/v1", "--protocol", "openai", "--api-key-env", "SERVER_KEY", "-o", "json"),
            *("--only", "framing", "--only", "card", "--model", "m"),
        )
    told = json.loads(done.out)
    assert done.code == 1
    assert [(one["check"], one["status"]) for one in told["checks"]] == [("framing", "failed"), ("card", "passed")]
    assert "[DONE]" in told["checks"][0]["seen"]


async def test_a_server_that_wants_a_key() -> None:
    async with model_server(TgiBytes()) as (_, server):
        done = await tandem("conformance", server.url, "--protocol", "tgi", "--only", "usage")
    assert done.code == 1
    assert "401" in done.out


@pytest.mark.parametrize(
    "flags",
    [
        ("nowhere", "--protocol", "tgi"),
        ("http://[x", "--protocol", "tgi"),
        ("http://x",),
        ("http://x", "--protocol", "tgi", "--only", "no-such"),
        ("http://x", "--protocol", "grpc"),
    ],
)
def test_wrong_usage(flags: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["conformance", *flags]).exit_code == 2


async def test_nobody_is_there() -> None:
    done = await tandem("conformance", "http://127.0.0.1:9", "--protocol", "openai")
    assert done.code == 1
    assert done.err.startswith("error: The predictor cannot be reached")


async def test_no_key_where_one_was_promised() -> None:
    done = await tandem("conformance", "http://127.0.0.1:9", "--protocol", "tgi", "--api-key-env", "NOT_SET")
    assert (done.code, "NOT_SET is not set" in done.err) == (1, True)
