"""Who may talk to whom: strangers reach no inner workload, and a gateway reaches nothing that was not declared."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster import Cluster, Object
from e2e.commands import ROOT
from e2e.pods import INSIDE
from e2e.release import Release
from e2e.space import Space, space

pytestmark = pytest.mark.timeout(300)
DEFAULTS = ROOT / "manifests/cluster/base/network-policies.yaml"
QDRANT = ROOT / "manifests/platform/qdrant/network-policy.yaml"
STORE_PORT = "6333"


@pytest.fixture(scope="module")
def store(cluster: Cluster, ours: Space) -> Iterator[Space]:
    """The vector store's namespace with its policies. A listener with its labels stands for it: they are what is looked at."""
    names = {"tandem": ours.name, "qdrant": f"{ours.name}-qdrant"}
    with space(cluster, names["qdrant"], ours.image, keep=False) as made:
        written = [*policies(DEFAULTS), *policies(QDRANT)]
        cluster.apply(*(renamed(each, names) for each in written if each["metadata"]["namespace"] == "qdrant"))
        made.serve("qdrant", INSIDE / "listen.py", [STORE_PORT], int(STORE_PORT), {"app.kubernetes.io/name": "qdrant"})
        yield made


def policies(file: Path) -> list[Object]:
    return [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each["kind"] == "NetworkPolicy"]


def renamed(policy: Object, names: dict[str, str]) -> Object:
    """The same for other namespaces."""
    text = json.dumps(policy)
    for old, new in names.items():
        text = text.replace(f'"namespace": "{old}"', f'"namespace": "{new}"')
        text = text.replace(f'"kubernetes.io/metadata.name": "{old}"', f'"kubernetes.io/metadata.name": "{new}"')
    found: Object = json.loads(text)
    return found


@pytest.fixture(scope="module")
def installed(release: Release, store: Space) -> Release:
    to_store = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": store.name}}}
    rule = {"to": [to_store], "ports": [{"port": int(STORE_PORT), "protocol": "TCP"}]}
    release.up({"networkPolicy": {"extraEgress": {"retriever": [rule]}}})
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


def test_only_who_asks_the_vector_store_reaches_it(
    installed: Release, ours: Space, elsewhere: Space, store: Space
) -> None:
    address = f"qdrant.{store.name}.svc.cluster.local:{STORE_PORT}"
    # Here it is the retriever that asks; the gateways leave it to that one.
    callers = {name: ours.pods(name)[0]["metadata"]["name"] for name in ("retriever", "gateway")}
    found = {name: ours.reaches(pod, address)[address] for name, pod in callers.items()}
    assert found == {"retriever": True, "gateway": False}
    assert elsewhere.reaches("stranger", address) == {address: False}


def gateway(ours: Space) -> str:
    found: str = ours.pods("gateway")[0]["metadata"]["name"]
    return found
