"""Installations that cannot work: refused before anything is made, or named by `tandem doctor` in one line with the fix."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cluster import Cluster, Object
from e2e.commands import CommandFailed
from e2e.release import CHART, SMALL, Release
from e2e.waiting import until

pytestmark = pytest.mark.timeout(240)
TANDEM = Path(sys.executable).with_name("tandem")
WITHIN_S = 90


@pytest.fixture
def broken(release: Release, request: pytest.FixtureRequest) -> Iterator[Callable[[Object], Release]]:
    """Installs a release of its own with these values on top, without waiting for what will not come."""
    made = replace(release, name=f"tandem-{request.node.callspec.id}")

    def install(values: Object) -> Release:
        made.begin(values)
        return made

    yield install
    made.helm("uninstall", "--ignore-not-found")


CASES: dict[str, tuple[Object, str, str]] = {
    "secret": ({"existingSecrets": {"keysFile": {"name": "absent", "key": "keys.yaml"}}}, "secret-missing", "secret/absent"),
    "image": ({"image": {"repository": "registry.invalid/absent", "tag": "1"}}, "image-pull", "registry.invalid/absent:1"),
    "place": ({"predictor": {"nodeSelector": {"tandem.dev/pool": "absent"}}}, "unschedulable", "tandem.dev/pool"),
    "model": ({"predictor": {"model": {"uri": "hf://absent/absent@main/absent.gguf"}}}, "crash", "absent.gguf"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "rule", "word"), CASES.values(), ids=CASES.keys())
def test_the_doctor_names_it_with_the_fix(
    broken: Callable[[Object], Release], values: Object, rule: str, word: str
) -> None:
    release = broken(values)

    def named() -> Object | None:
        # In the moment in which a container is begun anew, the kubelet hands out no log.
        told = finding(release, rule)
        return told if told and word in _line(told) else None

    found = until(f"a finding of rule {rule} that names {word}", named, within_s=WITHIN_S, every_s=2)
    line = _line(found)
    assert "\n" not in line + found["fix"]
    assert found["fix"]


def _line(found: Object) -> str:
    return f"{found['subject']}: {found['problem']}"


def test_an_api_that_the_cluster_lacks_is_named_before_anything_is_made(cluster: Cluster, release: Release) -> None:
    # Rendered without a cluster's APIs: every third party is missing.
    values = json.dumps(release.base)
    with pytest.raises(CommandFailed) as refused:
        cluster.helm(
            "template",
            "tandem",
            str(CHART),
            "--kube-version",
            "1.34.0",
            "--values",
            str(SMALL),
            "--values",
            "-",
            stdin=values,
        )
    assert "KServe" in refused.value.said


def finding(release: Release, rule: str) -> Object | None:
    """What the doctor says under this rule."""
    command = [str(TANDEM), "doctor", "--release", release.name, "--namespace", release.space.name, "-o", "json"]
    told = subprocess.run(
        command, env=release.space.cluster.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in told.stderr, told.stderr
    found: list[Object] = json.loads(told.stdout)["findings"]
    return next((each for each in found if each["rule"] == rule), None)
