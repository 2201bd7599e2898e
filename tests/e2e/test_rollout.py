"""A gateway is replaced under running streams: upgraded, rolled back, and brought from the chart before this one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from e2e.cluster import Object
from e2e.figures import record
from e2e.keys import CALLER
from e2e.load import offer
from e2e.release import CHART, Release
from e2e.space import Space
from e2e.steady import steady

pytestmark = pytest.mark.timeout(400)
# Each stream takes eight seconds, and four begin every second.
TOKENS, GAP_MS, RATE = 80, 100.0, 4.0
STREAMS = 32
LOAD_S = 26.0


@pytest.fixture(scope="module")
def values(ours: Space) -> Object:
    return {**steady(ours, tokens=TOKENS, gap_ms=GAP_MS), "gateway": {"replicaCount": 2}}


@pytest.fixture(scope="module")
def installed(release: Release, values: Object, tmp_path_factory: pytest.TempPathFactory) -> Release:
    # No version was released yet: this chart under a lower number stands for the one before.
    folder = tmp_path_factory.mktemp("chart")
    release.space.cluster.helm("package", str(CHART), "--version", "0.0.1", "--destination", str(folder))
    release.up(values, files=(), chart=folder / "tandem-0.0.1.tgz")
    return release


@contextmanager
def under_streams(release: Release, ours: Space, what: str) -> Iterator[None]:
    """The block runs while 32 streams do and others begin; afterwards every one of them has to have come to its end."""
    load = offer(ours, f"load-{what}", release.url, rate=RATE, seconds=LOAD_S, key=CALLER, max_tokens=TOKENS)
    began_s = time.monotonic()
    time.sleep(STREAMS / RATE + 2)
    changed_s = time.monotonic() - began_s
    yield
    took_s = time.monotonic() - began_s - changed_s
    outcomes = load.outcomes()
    record(
        f"requests_lost_in_{what}",
        len(outcomes.failed),
        of=len(outcomes.each),
        silently=len(outcomes.silent),
        endings=outcomes.endings,
        took_s=round(took_s, 1),
        first_token_p99_s=round(outcomes.first_s(0.99), 3),
    )
    assert outcomes.running_at(changed_s) >= STREAMS * 0.9
    assert outcomes.silent == []
    assert outcomes.failed == []


def test_an_upgrade_from_the_chart_before_cuts_no_stream(installed: Release, ours: Space, values: Object) -> None:
    before = uids(ours)
    with under_streams(installed, ours, "upgrade"):
        installed.up(values, {"gateway": {"podAnnotations": {"tandem-e2e": "upgraded"}}}, files=())
        assert not uids(ours) & before


def test_a_rollback_cuts_no_stream(installed: Release, ours: Space) -> None:
    before = uids(ours)
    with under_streams(installed, ours, "rollback"):
        installed.helm("rollback", "--wait", "--timeout=180s")
        assert not uids(ours) & before
    (chart,) = [each["chart"] for each in releases(installed)]
    assert chart == "tandem-0.0.1"


def uids(ours: Space) -> set[str]:
    return {pod["metadata"]["uid"] for pod in ours.pods("gateway")}


def releases(release: Release) -> list[Object]:
    told = release.space.cluster.helm("list", "--namespace", release.space.name, "--output=yaml")
    found: list[Object] = yaml.safe_load(told)
    return found
