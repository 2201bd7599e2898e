"""`tandem debug` as a person uses it: all ports at once, a pod that goes away is followed by the next, Ctrl-C ends it well."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from e2e.cluster import Object
from e2e.release import Release
from e2e.waiting import until

pytestmark = pytest.mark.timeout(240)
TANDEM = Path(sys.executable).with_name("tandem")


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up()
    return release


@pytest.fixture
def debugging(installed: Release) -> Iterator["subprocess.Popen[str]"]:
    command = [str(TANDEM), "debug", "--release", installed.name, "--namespace", installed.space.name, "-o", "json"]
    with subprocess.Popen(
        command, env=installed.space.cluster.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def test_all_ports_open_follow_their_pods_and_close(installed: Release, debugging: "subprocess.Popen[str]") -> None:
    assert debugging.stdout is not None and debugging.stderr is not None
    first = line(debugging.stdout)
    opened = {each["name"]: each for each in first["forwards"]}
    assert opened.keys() >= {"gateway", "retriever", "predictor", "metrics"}
    gateway = opened["gateway"]
    assert ready(gateway["url"])
    assert urllib.request.urlopen(opened["predictor"]["url"] + "/health", timeout=10).status == 200
    assert b"tandem_build_info" in urllib.request.urlopen(gateway["url"] + "/metrics", timeout=10).read()

    installed.space.kubectl("delete", "pod", gateway["pod"], "--wait=false")
    seen = [gateway["pod"]]
    while seen[-1] in {gateway["pod"], ""}:
        told = line(debugging.stdout)
        seen += [told["pod"]] if told["name"] == "gateway" else []
    assert until("the next pod to answer", lambda: ready(gateway["url"]), within_s=30)

    debugging.send_signal(signal.SIGINT)
    _, said = debugging.communicate(timeout=20)
    assert (debugging.returncode, said) == (0, "")


def test_a_release_that_is_not_there_is_told_with_the_context(installed: Release) -> None:
    command = [str(TANDEM), "debug", "--release", "absent", "--namespace", installed.space.name]
    done = subprocess.run(command, env=installed.space.cluster.env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "There is no release absent" in done.stderr
    assert "of context " in done.stderr


def line(stream: IO[str]) -> Object:
    found: Object = json.loads(stream.readline())
    return found


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
