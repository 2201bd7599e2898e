"""A cluster, images in it, a namespace and a release for each module; what a failure leaves to look at."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import volumes
from e2e.cluster import Cluster, NoCluster, from_environment
from e2e.diagnosis import diagnose
from e2e.images import Images, images
from e2e.release import Release
from e2e.space import Space, space
from e2e.values import SECRETS, base

_VOLUMES = 48
_KEEP = "TANDEM_E2E_KEEP"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The one that the environment names; without one, tests skip."""
    try:
        yield from_environment(os.environ)
    except NoCluster as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def built(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """The images under test, in the cluster."""
    return images(cluster, os.environ, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def storage_class(cluster: Cluster, built: Images) -> Iterator[str]:
    """The class of the retriever's volume; where the cluster makes no volumes, some are made before."""
    name = volumes.storage_class(cluster)
    with volumes.provided(cluster, _VOLUMES, built.main) if name else contextlib.nullcontext():
        yield name


@pytest.fixture(scope="module")
def ours(cluster: Cluster, built: Images, request: pytest.FixtureRequest) -> Iterator[Space]:
    """This module's namespace, with the secrets of an installation."""
    name = f"tandem-e2e-{Path(request.node.name).stem.removeprefix('test_').replace('_', '-')}"
    standard = getattr(request.module, "STANDARD", "restricted")
    with space(cluster, name, built.main, keep=_KEEP in os.environ, standard=standard) as made:
        for secret, data in SECRETS.items():
            made.secret(secret, data)
        yield made


@pytest.fixture(scope="module")
def release(ours: Space, built: Images, storage_class: str) -> Release:
    """Not installed yet: the module says how."""
    return Release(ours, "tandem", base(built, storage_class))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure shows the namespace as it is now."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if not report.failed or not isinstance(item, pytest.Function):
        return
    made = item.funcargs.get("ours") or getattr(item.funcargs.get("release"), "space", None)
    if isinstance(made, Space):
        with contextlib.suppress(Exception):
            report.sections.append((f"namespace {made.name}", diagnose(made.cluster, made.name)))
