"""Faults are seeded one by one, before installing and after: the doctor finds each, with its fix, and nothing where there is none."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Object
from e2e.figures import record
from e2e.release import SMALL, Release, merged
from e2e.seeds import FAULTS, Fault, Look
from e2e.waiting import until

pytestmark = pytest.mark.timeout(240)
TANDEM = Path(sys.executable).with_name("tandem")
CHART = SMALL.parent
WITHIN_S = 60


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up()
    return release


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[tuple[str, Object]]]:
    """What was seeded, and what was found, shown at the end also where output is captured."""
    rows: list[tuple[str, Object]] = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{len(rows)} of {len(FAULTS)} seeded faults found")
        for name, found in rows:
            print(f"  {name:44}{found['rule']:18}{found['fix']}")


@pytest.mark.parametrize("look", [Look({}), Look({}, ("--probe", "--yes"), live=True)], ids=["before", "after"])
def test_a_cluster_without_a_fault_has_no_problems(installed: Release, tmp_path: Path, look: Look) -> None:
    assert problems(installed, look, tmp_path) == []


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.rule for fault in FAULTS])
def test_a_seeded_fault_is_found_with_its_fix(
    installed: Release, tmp_path: Path, fault: Fault, table: list[tuple[str, Object]]
) -> None:
    began_s = time.monotonic()
    with fault.seeded(installed) as look:

        def named() -> Object | None:
            told = problems(installed, look, tmp_path)
            return next(
                (
                    each
                    for each in told
                    if each["rule"] == fault.rule and fault.names in each["problem"] + each["subject"]
                ),
                None,
            )

        # What a controller has to do first, takes it a moment.
        found = until(f"{fault.rule} to be found", named, within_s=WITHIN_S, every_s=2)
    assert fault.fix in found["fix"]
    assert "\n" not in found["problem"] + found["fix"]
    table.append((fault.name, found))
    record("seeded_fault", fault.name, rule=fault.rule, subject=found["subject"], problem=found["problem"], fix=found["fix"],
           found_s=round(time.monotonic() - began_s, 1))  # fmt: skip


def problems(release: Release, look: Look, folder: Path) -> list[Object]:
    """What the doctor says is wrong: with the installed release, or with values for one called `planned`."""
    values = folder / "values.json"
    values.write_text(json.dumps(merged({**release.base}, look.values)))
    planned = ["--release", "planned", "--chart", str(CHART), "--values", str(look.profile), "--values", str(values)]
    command = [str(TANDEM), "doctor", "--namespace", release.space.name, "-o", "json", *look.flags]
    command += ["--release", release.name] if look.live else planned
    done = subprocess.run(
        command, env=release.space.cluster.env, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    found = [each for each in json.loads(done.stdout)["findings"] if each["severity"] == "problem"]
    assert done.returncode == (1 if found else 0)
    return found
