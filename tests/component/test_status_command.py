"""`tandem status` against a process that runs, and against none."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from component.deployments import TANDEM, Process, start, stop


def tandem(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TANDEM, "status", *arguments],
        env={**os.environ, "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    running = start("all", tmp_path_factory.mktemp("all"), {})
    yield running
    stop(running)


def test_a_look_tells_what_happened_during_it(server: Process) -> None:
    watching = subprocess.Popen(
        [TANDEM, "status", "--url", server.url, "--watch", "--interval", "0.5", "-o", "json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    try:
        first = json.loads(watching.stdout.readline())
        assert [(each["target"], each["state"]) for each in first["processes"]] == [("all", "ready")]
        assert [each["pool"] for each in first["pools"]] == ["default"]
        with ExitStack() as held:
            for _ in range(20):
                held.enter_context(urllib.request.urlopen(server.url + "/v1/models", timeout=20))
        # Its own looks are two requests each half second.
        assert any(json.loads(watching.stdout.readline())["requests"]["rate"] > 15 for _ in range(3))
    finally:
        watching.terminate()
        watching.wait(10)
        watching.stdout.close()


def test_people_get_it_as_text(server: Process) -> None:
    done = tandem("--url", server.url, "--interval", "0.3")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.url in done.stdout
    for word in ("requests", "retrieval", "POOL", "PROCESS", "ready"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "http://127.0.0.1:9"], "No Tandem answers at http://127.0.0.1:9"),
        (["--namespace", "x"], "need a release"),
        (["--url", "http://127.0.0.1:9", "--release", "t"], "Either --url or --release"),
        (["--release", "t", "--kubeconfig", "/nowhere"], "cluster's configuration cannot be used"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line_and_a_hint(arguments: list[str], said: str) -> None:
    done = tandem(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
