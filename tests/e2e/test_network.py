"""Who may talk to whom: strangers reach no inner workload, and a gateway reaches nothing that was not declared."""

from collections.abc import Iterator

import pytest

from e2e.cluster import Cluster
from e2e.commands import ROOT
from e2e.pods import INSIDE
from e2e.release import Release
from e2e.space import Space, space

pytestmark = pytest.mark.timeout(300)
QDRANT = ROOT / "manifests/platform/qdrant"


@pytest.fixture(scope="module")
def installed(release: Release, ours: Space) -> Release:
    # What stands for the vector store is a listener with its labels: the policy is what is looked at.
    release.up({"networkPolicy": {"extraEgress": {"gateway": []}}})
    return release


@pytest.fixture(scope="module")
def elsewhere(cluster: Cluster, ours: Space) -> Iterator[Space]:
    """Another team's namespace, with a server and a client in it."""
    with space(cluster, f"{ours.name}-stranger", ours.image, keep=False) as made:
        made.serve("stranger", INSIDE / "listen.py", ["9000"], 9000)
        yield made


@pytest.fixture
def inner(installed: Release, ours: Space) -> list[str]:
    """Addresses of the workloads that only the gateway is to reach."""
    domain = f"{ours.name}.svc.cluster.local"
    pods = [
        (pod["status"]["podIP"], port)
        for name, port in (("predictor", 8080), ("retriever", 8000))
        for pod in ours.pods(name)
    ]
    return [
        f"{installed.name}-predictor.{domain}:80",
        f"{installed.name}-retriever.{domain}:8000",
        *(f"{address}:{port}" for address, port in pods),
    ]


def test_a_stranger_reaches_no_inner_workload(ours: Space, elsewhere: Space, inner: list[str]) -> None:
    assert elsewhere.reaches("stranger", *inner) == dict.fromkeys(inner, False)


def test_a_neighbour_in_the_namespace_does_not_either(ours: Space, inner: list[str]) -> None:
    ours.serve("neighbour", INSIDE / "listen.py", ["9000"], 9000)
    assert ours.reaches("neighbour", *inner) == dict.fromkeys(inner, False)


def test_the_gateway_reaches_its_peers(installed: Release, ours: Space, inner: list[str]) -> None:
    # The other half: what is refused above does listen.
    assert ours.reaches(gateway(ours), *inner) == dict.fromkeys(inner, True)


def test_the_gateway_reaches_nothing_undeclared(installed: Release, ours: Space, elsewhere: Space) -> None:
    undeclared = [
        "kubernetes.default.svc.cluster.local:443",
        f"stranger.{elsewhere.name}.svc.cluster.local:9000",
        "prometheus.monitoring.svc.cluster.local:9090",
    ]
    assert ours.reaches(gateway(ours), *undeclared) == dict.fromkeys(undeclared, False)
    # A pod without a policy does reach the last two: it is not that nobody listens.
    assert elsewhere.reaches("stranger", *undeclared[1:]) == dict.fromkeys(undeclared[1:], True)


def test_only_gateways_reach_the_vector_store(installed: Release, ours: Space, elsewhere: Space) -> None:
    pass


def gateway(ours: Space) -> str:
    found: str = ours.pods("gateway")[0]["metadata"]["name"]
    return found
